// The gated unit of today's MLPs (Shazeer, GLU Variants Improve Transformer, 2020): SwiGLU and GeGLU.
#pragma once

#include "ops/run.h"

namespace falconer {

/// SiLU; GELU in its exact form; GELU by its tanh approximation ("gelu_pytorch_tanh", "gelu_new").
enum class Activation { kSilu, kGelu, kGeluTanh };

// y = a(gate) up, so dgate = dy up a'(gate) and dup = dy a(gate). With s(z) = 1 / (1 + exp(-z)):
//   SiLU:      a(z) = z s(z)      a'(z) = s (1 + z (1 - s))
//   GELU:      ops/gelu.h
//   its tanh:  a(z) = z (1 + tanh u) / 2 = z s(2 u) with u = sqrt(2 / pi) (z + 0.044715 z z z)
//              a'(z) = s + 2 z u' s (1 - s), s at 2 u, u' = sqrt(2 / pi) (1 + 0.134145 z z)
// In bf16 y is rounded once; transformers rounds a(gate) as well.
//
// All (N,F). They may be ranges of columns of one buffer, as Phi-3's gate and up.

/// y may be gate or up.
struct GatedForward {
  View gate, up, y;
  Activation act = Activation::kSilu;
};
/// Keeps gate and up, and needs no y. dgate and dup overwrite; each may be dy, gate or up, but not the
/// other. An empty one is not computed.
struct GatedBackward {
  View gate, up, dy, dgate, dup;
  Activation act = Activation::kSilu;
};

void gated_forward(Run& run, const GatedForward& args);
void gated_backward(Run& run, const GatedBackward& args);

}  // namespace falconer
