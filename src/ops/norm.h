// Layer normalisation over the last dimension (Ba, Kiros and Hinton, 2016).
#pragma once

#include "ops/run.h"

namespace falconer {

// With mean m and r = 1 / sqrt(variance + eps) of row x_n (biased variance) and h = (x - m) r:
//   y_c = w_c h_c + b_c
// With d_c = dy_c w_c, and means over c written <.>:
//   dx_c = r (d_c - <d> - h_c <d h>)      dw_c = sum_n dy_c h_c      db_c = sum_n dy_c
//
// x, y (N,C)   w, b (1,C) f32, an empty b is 0 (Cohere)   stats (N,2) f32 holds m and r.

struct NormForward {
  View x, w, b, y, stats;
  float eps = 1e-5f;
};

/// Keeps x and stats. dx_add, dw and db add; an empty one is not computed.
struct NormBackward {
  View x, w, stats, dy, dx_add, dw, db;
};

void norm_forward(Run& run, const NormForward& args);
void norm_backward(Run& run, const NormBackward& args);

}  // namespace falconer
