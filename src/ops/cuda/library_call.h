// A product as a library takes it that counts columns first. Host code alone, so that it can be
// tested without a device.
#pragma once

#include <algorithm>

#include "ops/cuda/product.h"

namespace falconer::FALCONER_GPU {

/// C (rows x cols) = alpha op(A) op(B) + beta C, and + bias per row of C, all column after column in
/// memory: `stride` is from one column to the next.
struct LibraryMatrix {
  void* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;
  Dtype dtype = Dtype::kF32;
};
struct LibraryCall {
  LibraryMatrix a, b, c;
  bool transpose_a = false, transpose_b = false;
  int64_t m = 0, n = 0, k = 0;
  float alpha = 1, beta = 0;
  const float* bias = nullptr;
};

/// What lies row after row is the transpose of what lies column after column, so c' = b' a'.
inline LibraryCall library_call(const Product& p) {
  const auto transposed = [](const View& v) {
    // The stride of a single row says nothing, and may be too small for a library.
    return LibraryMatrix{v.data, v.cols, v.rows, std::max(v.stride, v.cols), v.dtype};
  };
  return {.a = transposed(p.b),
          .b = transposed(p.a),
          .c = transposed(p.c),
          .transpose_a = p.b_transposed,
          .transpose_b = p.a_transposed,
          .m = p.m(),
          .n = p.n(),
          .k = p.k(),
          .alpha = p.scale,
          .beta = p.add ? 1.0f : 0.0f,
          .bias = static_cast<const float*>(p.bias.data)};
}

/// Rows of tokens, of which almost every micro-batch has another number, rounded up by less than an
/// eighth: what is measured for one is good for all that come to the same.
inline int64_t rounded_rows(int64_t n) {
  int64_t step = 1;
  while (16 * step <= n) step *= 2;
  return (n + step - 1) / step * step;
}
/// The call with so many columns of C; its addresses hold fewer.
inline LibraryCall rounded_call(LibraryCall call) {
  call.n = rounded_rows(call.n);
  call.c.cols = call.n;
  (call.transpose_b ? call.b.rows : call.b.cols) = call.n;
  return call;
}

/// Libraries multiply equal dtypes: f32 into f32, bf16 into bf16 or f32.
inline bool library_takes(const Product& p) {
  return p.a.dtype == p.b.dtype && (p.c.dtype == p.a.dtype || p.c.dtype == Dtype::kF32) &&
         p.k() > 0 && (!p.bias || p.c.dtype == Dtype::kF32);
}

/// The largest power of two, up to 256, that divides an address and a stride in bytes.
inline uint32_t alignment_of(const LibraryMatrix& matrix) {
  uint64_t bits = reinterpret_cast<uintptr_t>(matrix.data) | 256;
  if (matrix.cols > 1) bits |= static_cast<uint64_t>(matrix.stride) * size_of(matrix.dtype);
  return static_cast<uint32_t>(bits & (~bits + 1));
}

}  // namespace falconer::FALCONER_GPU
