// Dropout whose mask is counted, not drawn: the same (stream, element) always gives the same
// decision.
#pragma once

#include "base/random.h"
#include "ops/run.h"

namespace falconer {

/// y = x m / (1 - p) with m = 1 where element first + i of the stream is at least p. The gradient
/// is the same function of dy, so forward and backward are one call. y may be x; y adds where
/// `add`.
struct Dropout {
  View x, y;
  float p = 0;
  RandomStream stream{0, RandomPurpose::kDropout};
  uint64_t first = 0;  // the number of element (0, 0)
  bool add = false;
};
void dropout(Run& run, const Dropout& args);

}  // namespace falconer
