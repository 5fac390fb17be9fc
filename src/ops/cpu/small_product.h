// The product of a few rows with a large matrix, which memory bounds: decoding.
#pragma once

#include "ops/linear.h"

namespace falconer::cpu {

/// Rows of x up to which small_product reads each weight once and beats a packed product.
inline constexpr int64_t kSmallRows = 32;

/// linear_forward for at most kSmallRows rows: W is read once, as it lies, whatever the rows.
void small_product(const LinearForward& args);

}  // namespace falconer::cpu
