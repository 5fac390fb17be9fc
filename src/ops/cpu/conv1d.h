// A causal convolution of each channel, then SiLU: passes over rows.
#pragma once

#include "ops/conv1d.h"

namespace falconer::cpu {

void conv1d_forward(const Conv1dForward& args);
void conv1d_backward(const Conv1dBackward& args);

}  // namespace falconer::cpu
