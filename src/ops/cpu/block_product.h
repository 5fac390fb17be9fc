// Products with a matrix in blocks (tensor/blocks), whose numbers are made a panel at a time.
#pragma once

#include "ops/cpu/product.h"
#include "ops/linear.h"

namespace falconer::cpu {

/// As product(), with b in blocks. Its numbers are those of its format, in f32, or rounded to bf16 where a is bf16 and
/// products run in that.
void block_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                   const View& bias, bool by_rows = false);

/// As small_product(), with w in blocks: what a row gives does not depend on the others.
void small_block_product(const LinearForward& args);

}  // namespace falconer::cpu
