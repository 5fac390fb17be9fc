#include "ops/cpu/block_product.h"

#include <algorithm>

#include "base/threads.h"
#include "ops/cpu/block_numbers.h"
#include "ops/cpu/small_product.h"
#include "tensor/buffer.h"

namespace falconer::cpu {
namespace {

/// Columns of c at one time: many enough for a product's peak, and few enough that the numbers of b stay in the caches,
/// of which a product for few rows reads every one as often as it multiplies it. Multiples of every format's block.
constexpr int64_t kPanel = 512, kSmallPanel = 256;

/// Memory of one thread, kept from call to call.
View panel_of(int64_t rows, int64_t cols, Dtype dtype) {
  thread_local Buffer store;
  const size_t bytes = bytes_of(dtype, rows * cols);
  if (store.size() < bytes) store = Buffer(bytes);
  return {store.data(), rows, cols, cols, dtype};
}

}  // namespace

// A panel is one thread's: what it computes does not depend on how many there are.
void block_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                   const View& bias, bool by_rows) {
  const auto multiply = by_rows ? product_by_rows : product;
  const Dtype dtype =
      a.view.dtype == Dtype::kBF16 && has_bf16_products() ? Dtype::kBF16 : Dtype::kF32;
  parallel_for((c.cols + kPanel - 1) / kPanel, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i * kPanel, cols = std::min(kPanel, c.cols - n);
      const View from = b.transposed ? b.view.row_range(n, cols) : b.view.col_range(n, cols);
      const View panel = panel_of(from.rows, from.cols, dtype);
      numbers_of_blocks(from, panel);
      multiply(a, {panel, b.transposed}, c.col_range(n, cols), scale, add, bias.col_range(n, cols));
    }
  });
}

void small_block_product(const LinearForward& args) {
  parallel_for((args.w.rows + kSmallPanel - 1) / kSmallPanel, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m = i * kSmallPanel, rows = std::min(kSmallPanel, args.w.rows - m);
      const View panel = panel_of(rows, args.w.cols, Dtype::kF32);
      numbers_of_blocks(args.w.row_range(m, rows), panel);
      small_product({.x = args.x,
                     .w = panel,
                     .b = args.b.col_range(m, rows),
                     .y = args.y.col_range(m, rows),
                     .scale = args.scale,
                     .add = args.add});
    }
  });
}

}  // namespace falconer::cpu
