// Products in whole numbers with any matrix, for many rows: both factors are rounded to 8 bits while they are packed.
#pragma once

#include "ops/cpu/product.h"

namespace falconer::cpu {

/// Depth in which a row of a, and a column of b, share a scale.
inline constexpr int64_t kWholeGroup = 256;

/// As product(), with a as it lies and b of any dtype that a matrix has. Rows of a and columns of b are rounded as
/// rounding.h says, in groups of 256 of the depth; products and sums within a group are exact, and sums over groups f32,
/// in their order. What a row gives does not depend on the others. `room`: whole_bytes() of working memory, in u8.
void whole_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                   const View& bias, const View& room);

/// As Kernels has it.
int64_t whole_bytes(int64_t rows, int64_t depth);

}  // namespace falconer::cpu
