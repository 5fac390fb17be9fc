// Spans of a recurrence, where kernels read them.
#pragma once

#include "ops/cuda/gpu.h"
#include "ops/state_span.h"

namespace falconer::FALCONER_GPU {

inline const StateSpan* staged_spans(Device* device, std::span<const StateSpan> spans) {
  return static_cast<const StateSpan*>(device->staged(spans.data(), spans.size_bytes()));
}

inline int64_t longest(std::span<const StateSpan> spans) {
  int64_t most = 0;
  for (const StateSpan& s : spans) most = std::max(most, s.count);
  return most;
}

}  // namespace falconer::FALCONER_GPU
