// Matrix products in f32 of factors that are f32 or bf16 (b f16 too), each widened where it is packed.
#pragma once

#include "ops/cpu/product.h"

namespace falconer::cpu {

/// As product(), with a and b of dtypes of their own and c f32 or bf16. Needs no memory but some
/// megabytes a thread, whatever the sizes.
void packed_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                    const View& bias);

}  // namespace falconer::cpu
