// Products with a matrix that lies with its depth in rows, as those of models do, by turning what they are multiplied
// with instead of it.
#pragma once

#include "ops/cpu/product.h"

namespace falconer::cpu {

/// As product(), for a as it lies and b transposed, all f32: c' = b' a' is computed, and turned back. A library packs a
/// matrix that it reads across in an order that costs a tenth of a product with some hundred rows, and here neither
/// factor is read so. `room`: turned_bytes() of working memory, in u8.
void turned_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                    const View& bias, const View& room);

/// As Kernels has it: 0 where product() is as fast, or a's turned rows would be much memory.
int64_t turned_bytes(int64_t rows, int64_t cols, int64_t depth);

}  // namespace falconer::cpu
