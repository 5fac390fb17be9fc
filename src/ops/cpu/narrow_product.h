// Gradients of narrow matrices, as LoRA's: sums over rows of a few columns times many.
#pragma once

#include "ops/linear.h"

namespace falconer::cpu {

/// Whether narrow_backward_w() takes it: W has few rows or few columns. And narrow_backward_x(): few columns.
bool is_narrow(const LinearBackward& args);
bool makes_narrow(const LinearBackward& args);

/// dW of linear.h, in one pass over what is wide. Sums go in the order of rows, at any number of threads.
void narrow_backward_w(const LinearBackward& args);

/// dx of linear.h: dot products of rows of dy with W's columns, which are turned.
void narrow_backward_x(const LinearBackward& args);

}  // namespace falconer::cpu
