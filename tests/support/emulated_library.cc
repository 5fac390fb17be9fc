// What stands for cuBLASLt on the emulated device: the same description of a call, done by loops.
#include "support/emulated_gpu.h"
// Behind it: what it stands for.
#include "ops/cuda/library_call.h"

namespace falconer::emulated {
namespace {

float read(const LibraryMatrix& matrix, int64_t row, int64_t col) {
  const int64_t at = row + col * matrix.stride;
  return matrix.dtype == Dtype::kF32 ? static_cast<const float*>(matrix.data)[at]
                                     : float(static_cast<const BF16*>(matrix.data)[at]);
}

void write(const LibraryMatrix& matrix, int64_t row, int64_t col, float value) {
  const int64_t at = row + col * matrix.stride;
  if (matrix.dtype == Dtype::kF32)
    static_cast<float*>(matrix.data)[at] = value;
  else
    static_cast<BF16*>(matrix.data)[at] = BF16(value);
}

void multiply(const LibraryCall& call) {
  for (int64_t i = 0; i < call.m; ++i)
    for (int64_t j = 0; j < call.n; ++j) {
      float sum = 0;
      for (int64_t k = 0; k < call.k; ++k)
        sum += (call.transpose_a ? read(call.a, k, i) : read(call.a, i, k)) *
               (call.transpose_b ? read(call.b, j, k) : read(call.b, k, j));
      sum *= call.alpha;
      if (call.beta != 0) sum += call.beta * read(call.c, i, j);
      if (call.bias != nullptr) sum += call.bias[i];
      write(call.c, i, j, sum);
    }
}

}  // namespace

bool library_product(const Product& p) {
  if (!shape_of(*p.c.device).library || !library_takes(p)) return false;
  enqueue_call(*p.c.device, [call = library_call(p)] { multiply(call); });
  return true;
}

}  // namespace falconer::emulated
