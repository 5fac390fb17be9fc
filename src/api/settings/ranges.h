// What numbers that a user can set may be. A method's own stand in method/method.h.
#pragma once

#include "base/number.h"

namespace falconer {

// Steps are named by 32 bits where random numbers are drawn.
inline constexpr int64_t kMost32 = 0xFFFFFFFF;
inline constexpr WholeRange kSteps{0, kMost32};
inline constexpr WholeRange kEpochs{1, kMost32};
inline constexpr WholeRange kRowsTogether{1, 1'000'000'000};
inline constexpr WholeRange kTokensTogether{0, 1'000'000'000};
inline constexpr WholeRange kRowCounts{0, 1'000'000'000'000};
inline constexpr WholeRange kLengths{2, int64_t{1} << 30};
inline constexpr WholeRange kNewTokens{1, int64_t{1} << 30};
inline constexpr WholeRange kKept{0, 1'000'000};
inline constexpr WholeRange kRepeats{1, 1000};
inline constexpr WholeRange kJobs{1, 64};
inline constexpr WholeRange kThreads{0, 4096};
inline constexpr WholeRange kTopK{0, INT32_MAX};
inline constexpr WholeRange kNgrams{0, 1 << 20};
inline constexpr WholeRange kPorts{0, 65535};
inline constexpr WholeRange kAnswers{1, 1'000'000};
inline constexpr WholeRange kConnections{1, 1'000'000};
inline constexpr WholeRange kCaches{1, INT64_MAX};
inline constexpr WholeRange kBodies{1024, int64_t{1} << 32};
inline constexpr RealRange kTimeouts{.least = 0.001, .most = 1e6};
inline constexpr RealRange kStopTimes{.least = 0, .most = 1e6};
inline constexpr WholeRange kShardSizes{1, INT64_MAX};

inline constexpr RealRange kRates{.least = 0, .most = 1e6};
// One that is too large for a run is found out by what it does: a step that is not finite is named with
// its rows.
inline constexpr RealRange kLearningRates{.least = 0, .most = 1e100};
// A mean that never moves divides by zero: 1 - beta must be there in f32, and so must epsilon.
inline constexpr RealRange kBetas{.least = 0, .most = 1 - 0x1p-23};
inline constexpr RealRange kEpsilons{.least = 1e-30, .most = 1e6};
inline constexpr RealRange kNorms{.least = 0, .most = 1e30};
inline constexpr RealRange kTemperatures{.least = 0, .most = 1e6};
inline constexpr RealRange kShares{.least = 0, .most = 1};
inline constexpr RealRange kTypicalShares{.least = 1e-9, .most = 1};
inline constexpr RealRange kPenaltyFactors{.least = 1e-3, .most = 1e3};
inline constexpr RealRange kPenalties{.least = -100, .most = 100};

}  // namespace falconer
