#include "ops/cpu/turned_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/turned_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <algorithm>

#include "ops/cpu/turn-inl.h"
#include "ops/cpu/vector-inl.h"

#ifndef FALCONER_OPS_CPU_TURNED_PRODUCT_BLOCK_
#define FALCONER_OPS_CPU_TURNED_PRODUCT_BLOCK_
namespace falconer::cpu {

/// Rows and columns that are turned at a time: the first cache holds them both ways.
constexpr int64_t kTurned = 64;

/// A piece of c, turned: (cols, rows) at `sums`.
struct TurnedPiece {
  const float* sums;
  View c, bias;
  bool add;
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Calls put(tile, row, rows, col, cols) for all parts of `from`, of which tile + i kTurned is column col + i. Tiles
/// are put in their places line by line: numbers at the distances of a matrix's rows share few sets of a cache.
template <class Put>
void turn_tiles(const View& from, Put&& put) {
  HWY_ALIGN float tile[kTurned * kTurned];
  for (int64_t row = 0; row < from.rows; row += kTurned)
    for (int64_t col = 0; col < from.cols; col += kTurned) {
      const int64_t rows = std::min(kTurned, from.rows - row),
                    cols = std::min(kTurned, from.cols - col);
      turn<float>(from, row, rows, col, cols, tile, kTurned);
      put(tile, row, rows, col, cols);
    }
}

/// out (depth, rows) = x, turned; `stride` between rows of out.
void turn_rows(const View& x, float* out, int64_t stride) {
  turn_tiles(x, [&](const float* tile, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    for (int64_t k = 0; k < cols; ++k)
      std::copy_n(tile + k * kTurned, rows, out + (col + k) * stride + row);
  });
}

/// A line of c = (or += where `add`) the sums, and the bias where it is not null.
void put_line(const float* sums, const float* bias, bool add, int64_t n, float* c) {
  for_vectors(n, [&](int64_t at, auto access) {
    VecF sum = access(sums, at);
    if (bias != nullptr) sum = hn::Add(sum, access(bias, at));
    if (add) sum = hn::Add(sum, access(c, at));
    access.put(sum, c, at);
  });
}

void turn_back(const TurnedPiece& piece) {
  const View sums{const_cast<float*>(piece.sums), piece.c.cols, piece.c.rows, piece.c.rows,
                  Dtype::kF32};
  turn_tiles(sums, [&](const float* tile, int64_t col, int64_t cols, int64_t row, int64_t rows) {
    const float* const bias = piece.bias ? piece.bias.row<float>(0) + col : nullptr;
    for (int64_t i = 0; i < rows; ++i)
      put_line(tile + i * kTurned, bias, piece.add, cols, piece.c.row<float>(row + i) + col);
  });
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <hwy/aligned_allocator.h>

#include "base/error.h"
#include "base/threads.h"
#include "ops/cpu/onednn.h"

namespace falconer::cpu {

HWY_EXPORT(turn_rows);
HWY_EXPORT(turn_back);

namespace {

/// A piece of c, whose sums stay in the second cache until they are turned back.
constexpr int64_t kPieceRows = 256, kPieceCols = 256;
constexpr int64_t kLeastRows = 64, kLeastCols = 1024, kLeastDepth = 256;
constexpr int64_t kMostTurned = int64_t{1} << 22;  // numbers

float* sums_of_this_thread() {
  thread_local const auto sums = hwy::AllocateAligned<float>(kPieceRows * kPieceCols);
  return sums.get();
}

}  // namespace

int64_t turned_bytes(int64_t rows, int64_t cols, int64_t depth) {
  const bool pays = rows >= kLeastRows && cols >= kLeastCols && depth >= kLeastDepth;
  return pays && rows * depth <= kMostTurned ? rows * depth * static_cast<int64_t>(sizeof(float))
                                             : 0;
}

void turned_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                    const View& bias, const View& room) {
  const int64_t depth = a.cols();
  FALCONER_CHECK(!a.transposed && b.transposed && b.rows() == depth);
  FALCONER_CHECK(static_cast<int64_t>(room.bytes()) >= turned_bytes(c.rows, c.cols, depth));
  auto* const turned = static_cast<float*>(room.data);
  parallel_for((c.rows + kTurned - 1) / kTurned, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * kTurned; row < std::min(c.rows, end * kTurned); row += kTurned)
      HWY_DYNAMIC_DISPATCH(turn_rows)
    (a.view.row_range(row, std::min(kTurned, c.rows - row)), turned + row, c.rows);
  });
  const int64_t high = size_of_part(c.rows, kPieceRows), wide = size_of_part(c.cols, kPieceCols);
  const int64_t down = (c.rows + high - 1) / high, across = (c.cols + wide - 1) / wide;
  parallel_for(down * across, 1, [&](int64_t begin, int64_t end) {
    float* const sums = sums_of_this_thread();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m = i % down * high, n = i / down * wide;
      const int64_t rows = std::min(high, c.rows - m), cols = std::min(wide, c.cols - n);
      onednn::sgemm(cols, rows, depth, scale, {b.view.row<float>(n), b.view.stride},
                    {turned + m, c.rows}, 0, sums, rows);
      HWY_DYNAMIC_DISPATCH(turn_back)
      ({sums, c.row_range(m, rows).col_range(n, cols), bias.col_range(n, bias ? cols : 0), add});
    }
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
