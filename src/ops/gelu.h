// GELU in its exact form (Hendrycks and Gimpel, 2016), and by the approximation with tanh.
#pragma once

#include "ops/run.h"

namespace falconer {

// y = x P(x) with the normal distribution P(x) = (1 + erf(x / sqrt 2)) / 2, so
// dx = dy (P(x) + x exp(-x x / 2) / sqrt(2 pi)). Where `tanh`, as ops/gated.h has it.

/// x, y (N,F); y may be x.
struct GeluForward {
  View x, y;
  bool tanh = false;
};
/// Keeps x. d is dy on entry and dx on return.
struct GeluBackward {
  View x, d;
  bool tanh = false;
};

void gelu_forward(Run& run, const GeluForward& args);
void gelu_backward(Run& run, const GeluBackward& args);

}  // namespace falconer
