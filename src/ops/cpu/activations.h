// Activations of MLPs, and the soft cap of logits.
#pragma once

#include "ops/gated.h"
#include "ops/gelu.h"
#include "ops/soft_cap.h"

namespace falconer::cpu {

void gelu_forward(const GeluForward& args);
void gelu_backward(const GeluBackward& args);
void gated_forward(const GatedForward& args);
void gated_backward(const GatedBackward& args);
void soft_cap_forward(const SoftCapForward& args);
void soft_cap_backward(const SoftCapBackward& args);

}  // namespace falconer::cpu
