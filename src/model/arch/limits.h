// What a model's sizes and settings may be, in whatever file they stand.
#pragma once

#include "base/number.h"

namespace falconer {

// Far beyond any model; products of these sizes, and the layers, stay below 2^63.
inline constexpr WholeRange kLayerCounts{1, 10000};
inline constexpr WholeRange kWidths{1, int64_t{1} << 20};  // of the hidden state and of the MLP
inline constexpr WholeRange kHeadCounts{1, 100000};
inline constexpr WholeRange kVocabularies{1, int64_t{1} << 24};
inline constexpr WholeRange kContexts{1, int64_t{1} << 30};
inline constexpr RealRange kRopeBases{.least = 0, .most = 1e15, .open_least = true};
inline constexpr RealRange kNormEpsilons{.least = 0, .most = 1, .open_most = true};
inline constexpr RealRange kInitDeviations{.least = 0, .most = 1000};

}  // namespace falconer
