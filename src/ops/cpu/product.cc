#include "ops/cpu/product.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "ops/cpu/block_product.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/packed_product.h"
#include "tensor/buffer.h"

namespace falconer::cpu {
namespace {

Factor rows_of(const Factor& a, int64_t begin, int64_t count) {
  return {a.transposed ? a.view.col_range(begin, count) : a.view.row_range(begin, count),
          a.transposed};
}
Factor cols_of(const Factor& b, int64_t begin, int64_t count) {
  return {b.transposed ? b.view.row_range(begin, count) : b.view.col_range(begin, count),
          b.transposed};
}

}  // namespace

int64_t size_of_part(int64_t n, int64_t most) {
  constexpr int64_t kUnit = 16;
  int64_t parts = (n + most - 1) / most;
  if (parts > 1) parts += parts % 2;
  return ((n + parts - 1) / parts + kUnit - 1) / kUnit * kUnit;
}

// oneDNN cuts work, and sums too, by the number of threads. So c is cut here, into pieces that do not
// depend on it, and each piece is one thread's. They are large enough that packing for each pays, and
// many enough for many threads; LoRA's products are narrow, and have pieces of fewer rows.
void library_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                     const View& bias) {
  constexpr int64_t kRows = 512, kNarrow = 256, kNarrowRows = 128, kPieces = 32;
  const int64_t high = size_of_part(c.rows, c.cols < kNarrow ? kNarrowRows : kRows);
  int64_t most = std::clamp<int64_t>(c.rows * c.cols / kPieces / high, 512, 2048);
  if (high >= c.rows && most >= c.cols && c.cols >= kNarrow) most = c.cols / 2;  // for two threads
  const int64_t wide = size_of_part(c.cols, most);
  const int64_t across = (c.cols + wide - 1) / wide, down = (c.rows + high - 1) / high;
  parallel_for(across * down, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m = i / across * high, n = i % across * wide;
      const int64_t rows = std::min(high, c.rows - m), cols = std::min(wide, c.cols - n);
      onednn::matmul(rows_of(a, m, rows), cols_of(b, n, cols),
                     c.row_range(m, rows).col_range(n, cols), scale, add, bias.col_range(n, cols));
    }
  });
}

bool has_bf16_products() {
  static const bool has = onednn::uses(onednn::Isa::kAvx512);
  return has;
}

void product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
             const View& bias) {
  FALCONER_CHECK(a.cols() == b.rows() && a.rows() == c.rows && b.cols() == c.cols);
  FALCONER_CHECK(!bias || scale == 1);
  if (c.rows == 0 || c.cols == 0) return;
  if (is_blocks(b.view.dtype)) return block_product(a, b, c, scale, add, bias);
  const bool mixed = a.view.dtype != b.view.dtype;
  if (mixed || (a.view.dtype == Dtype::kBF16 && !has_bf16_products()))
    packed_product(a, b, c, scale, add, bias);
  else
    library_product(a, b, c, scale, add, bias);
}

// oneDNN has other code for fewer than 16 rows, and without AVX512 its f32 products end in columns and rows that are
// summed in another order.
void product_by_rows(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                     const View& bias) {
  constexpr int64_t kLeastRows = 16;
  if (is_blocks(b.view.dtype)) return block_product(a, b, c, scale, add, bias, true);
  if (c.rows >= kLeastRows) {
    const bool f32 = a.view.dtype == Dtype::kF32 && b.view.dtype == Dtype::kF32;
    if (f32 && !has_bf16_products()) return packed_product(a, b, c, scale, add, bias);
    return product(a, b, c, scale, add, bias);
  }
  if (c.rows == 0) return;
  FALCONER_CHECK(!a.transposed);
  const Tensor x(kLeastRows, a.view.cols, a.view.dtype), y(kLeastRows, c.cols, c.dtype);
  const auto copy_rows = [&](const View& from, const View& to) {
    for (int64_t i = 0; i < c.rows; ++i)
      std::memcpy(to.at(i), from.at(i), bytes_of(from.dtype, from.cols));
  };
  copy_rows(a.view, x.view());
  if (add) copy_rows(c, y.view());
  product_by_rows({x.view()}, b, y.view(), scale, add, bias);
  copy_rows(y.view(), c);
}

}  // namespace falconer::cpu
