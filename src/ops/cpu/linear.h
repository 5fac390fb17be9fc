// The linear layer's products: oneDNN for many rows, one pass over the weights for a few.
#pragma once

#include "ops/linear.h"

namespace falconer::cpu {

void linear_forward(const LinearForward& args);
void linear_backward_x(const LinearBackward& args);
void linear_backward_w(const LinearBackward& args);

}  // namespace falconer::cpu
