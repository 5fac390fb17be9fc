// Matrix products: by oneDNN, with its primitives kept, or packed_product.h where dtypes differ.
#pragma once

#include "tensor/view.h"

namespace falconer::cpu {

/// A matrix, read as it lies or transposed.
struct Factor {
  View view;
  bool transposed = false;

  int64_t rows() const { return transposed ? view.cols : view.rows; }
  int64_t cols() const { return transposed ? view.rows : view.cols; }
};

/// c (M,N) = scale a (M,K) b (K,N) + bias, or c += where `add`. a, b and c are f32 or bf16 each, and b may be f16 or in blocks;
/// bias (1,N) f32 or empty, and then scale is 1. Sums are f32, in an order that does not depend on the
/// number of threads.
void product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
             const View& bias = {});

/// The same, and what a row of c gets is the same to the bit however many rows there are and whatever they hold.
void product_by_rows(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                     const View& bias = {});

/// The same by oneDNN, for a and b of one dtype. No size is 0.
void library_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                     const View& bias = {});

/// Of parts of n that are about as large as each other, none above `most`, which is a multiple of 16: an even number of
/// them, since threads are. Where products are cut.
int64_t size_of_part(int64_t n, int64_t most);

/// Whether bf16 products run in bf16 on this CPU (AVX512). Elsewhere, and where one factor is f32,
/// product() computes in f32 and widens bf16 while it packs (packed_product.h).
bool has_bf16_products();

}  // namespace falconer::cpu
