// A soft bound on logits (Gemma 2; Bello et al., 2017).
#pragma once

#include "ops/run.h"

namespace falconer {

// y = cap tanh(x / cap), so dx = dy (1 - (y / cap)^2).

/// In place. x (N,V) f32, or bf16.
struct SoftCapForward {
  View x;
  float cap = 0;
};
/// Keeps y. d is dy on entry and dx on return; it may be f32 or bf16 whatever y is.
struct SoftCapBackward {
  View y, d;
  float cap = 0;
};

void soft_cap_forward(Run& run, const SoftCapForward& args);
void soft_cap_backward(Run& run, const SoftCapBackward& args);

}  // namespace falconer
