// Normalisation by the root mean square (Zhang and Sennrich, 2019): of rows, or of each head of rows.
#pragma once

#include "ops/heads.h"
#include "ops/run.h"

namespace falconer {

// With r = 1 / sqrt(<x x> + eps) of a head's x, h = x r, and means over its c written <.>:
//   y_c = h_c (offset + w_c)
// dr/dx_c = -r r r x_c / D. So with d_c = dy_c (offset + w_c):
//   dx_c = r (d_c - h_c <d h>)      dw_c = sum over rows and heads of dy_c h_c
//
// A block's norm has one head as wide as the row (one_head); that of queries or keys, each head with the
// same D weights; OLMo 2's, all heads as one of width H D. Gemma keeps w - 1: its offset is 1.
// In bf16 all of it is f32 and y is rounded once, as in transformers' Gemma and OLMo 2. Its LLaMA,
// Mistral, Qwen and Phi-3 round h to bf16 before it meets w, which adds up to half a unit in y's last
// place.
//
// x, y, dy, dx (N,H,D)   w, dw (1,D) f32   stats (N,H) f32 holds r.

/// y may be x where no backward follows.
struct RmsNormForward {
  Heads x, y;
  View w, stats;
  float eps = 1e-6f, offset = 0;
};

/// Keeps x and stats. dx overwrites, and may then be dy; it adds where add_dx. dw adds. What is empty is
/// not computed.
struct RmsNormBackward {
  Heads x;
  View w, stats;
  Heads dy, dx;
  View dw;
  float offset = 0;
  bool add_dx = false;
};

void rms_norm_forward(Run& run, const RmsNormForward& args);
void rms_norm_backward(Run& run, const RmsNormBackward& args);

}  // namespace falconer
