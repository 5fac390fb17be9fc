// Sums of activations.
#pragma once

#include "ops/run.h"

namespace falconer {

/// y = x + a + b; b may be empty; y may be any of them. The gradient of each term is dy itself: no
/// backward.
struct Residual {
  View x, a, b, y;
};
void residual(Run& run, const Residual& args);

/// x = 0.
void set_zero(Run& run, const View& x);

/// Copies values; dtypes may differ.
void copy(Run& run, const View& from, const View& to);

}  // namespace falconer
