// Sums of squares in f64: gradient clipping and DoRA.
#pragma once

#include "ops/dora.h"
#include "tensor/view.h"

namespace falconer::cpu {

double sum_of_squares(const View& x);
void row_squares(const RowSquares& args);

}  // namespace falconer::cpu
