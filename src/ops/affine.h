// A scale and a bias per output column: Adapter v2 (Gao et al., 2023) and DoRA's magnitude.
#pragma once

#include "ops/run.h"

namespace falconer {

//   a_c = y_c + bias_c - about_c      y_c <- scale_c a_c + about_c
// and back, with d = dy:
//   dscale_c += sum_n d_c a_c      d_c <- scale_c d_c      dbias_c += sum_n d_c (after scaling)
//
// y, a, d (N,M), where a may be bf16 beside an f32 y or d
// scale, bias, about, dscale, dbias (1,M) f32; empty ones are 0.

/// In place; `a` is written where it is not empty.
struct AffineForward {
  View y, scale, bias, about, a;
};
/// Keeps a. d is dy on entry and the gradient of the incoming y on return. Empty dscale or dbias:
/// not computed.
struct AffineBackward {
  View a, scale, d, dscale, dbias;
};

void affine_forward(Run& run, const AffineForward& args);
void affine_backward(Run& run, const AffineBackward& args);

}  // namespace falconer
