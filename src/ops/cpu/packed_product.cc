#include "ops/cpu/packed_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/packed_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/cache_control.h>

#include "ops/cpu/turn-inl.h"
#include "ops/cpu/vector-inl.h"

#ifndef FALCONER_OPS_CPU_PACKED_PRODUCT_TASK_
#define FALCONER_OPS_CPU_PACKED_PRODUCT_TASK_
namespace falconer::cpu {

/// Depth that is packed at a time: a strip of b then fits the first cache beside one of a.
constexpr int64_t kDepth = 256;
/// Rows and columns of c at one time: packed, both fit the third cache, and the sums of a bf16 c too.
constexpr int64_t kRows = 1536, kCols = 1024;
/// Rows of which a packed part stays in the second cache while the strips of b pass by.
constexpr int64_t kNearRows = 360;

/// What one thread computes: rows [m0, m1) and columns [n0, n1) of c.
struct ProductTask {
  const Factor *a, *b;
  const View *c, *bias;
  float scale;
  bool add;
  int64_t m0, m1, n0, n1;
  float *packed_a, *packed_b, *sums;  // aligned; `sums` for a bf16 c only
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

// The tile of c that stays in registers: kTileRows rows of two vectors. Sums, two vectors of b and
// a number of a: 15 of 16 registers, or 27 of AVX512's 32.
#if HWY_TARGET <= HWY_AVX3
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 6;
#endif
HWY_INLINE int64_t tile_cols() { return 2 * lanes(); }

/// Rows m .. m+count-1 and depth k0 .. k0+depth-1 of a, times scale: for each k the rows of a tile
/// side by side, missing ones 0.
template <class A>
void pack_a(const ProductTask& t, int64_t m, int64_t count, int64_t k0, int64_t depth, float* out) {
  const View& from = t.a->view;
  if (count < kTileRows)
    std::memset(out, 0, static_cast<size_t>(depth * kTileRows) * sizeof(float));
  if (t.a->transposed) {
    for (int64_t k = 0; k < depth; ++k) {
      const A* row = from.row<A>(k0 + k) + m;
      for (int64_t r = 0; r < count; ++r) out[k * kTileRows + r] = static_cast<float>(row[r]);
    }
  } else {
    turn<A>(from, m, count, k0, depth, out, kTileRows);
  }
  if (t.scale == 1) return;
  for (int64_t i = 0; i < depth * kTileRows; ++i) out[i] *= t.scale;
}

/// Columns n .. n+count-1 of b (at most a tile's), depth k0 ..: for each k the columns side by
/// side, missing ones 0.
template <class B>
void pack_b(const ProductTask& t, int64_t n, int64_t count, int64_t k0, int64_t depth, float* out) {
  const View& from = t.b->view;
  const int64_t width = tile_cols();
  if (count < width) std::memset(out, 0, static_cast<size_t>(depth * width) * sizeof(float));
  if (!t.b->transposed) {
    for (int64_t k = 0; k < depth; ++k, out += width) {
      const B* row = from.row<B>(k0 + k) + n;
      hwy::Prefetch(row + 4 * width);
      if (count == width) {
        store(load(row), out);
        store(load(row + lanes()), out + lanes());
      } else {
        for (int64_t j = 0; j < count; ++j) out[j] = static_cast<float>(row[j]);
      }
    }
    return;
  }
  turn<B>(from, n, count, k0, depth, out, width);
}

/// c += a strip of a times a strip of b. The rows of c lie pages apart: they are asked for before the
/// sums begin, and are there when these end.
HWY_INLINE void tile(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, int64_t depth,
                     float* c, int64_t stride) {
  const F32 d;
  const int64_t half = lanes();
  VecF sums[kTileRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    sums[r][0] = sums[r][1] = hn::Zero(d);
    hwy::Prefetch(c + r * stride);
    hwy::Prefetch(c + r * stride + 2 * half - 1);
  }
  for (int64_t k = 0; k < depth; ++k, a += kTileRows, b += 2 * half) {
    const VecF b0 = hn::Load(d, b), b1 = hn::Load(d, b + half);
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r) {
      const VecF factor = hn::Set(d, a[r]);
      sums[r][0] = hn::MulAdd(factor, b0, sums[r][0]);
      sums[r][1] = hn::MulAdd(factor, b1, sums[r][1]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    float* to = c + r * stride;
    hn::StoreU(hn::Add(hn::LoadU(d, to), sums[r][0]), d, to);
    hn::StoreU(hn::Add(hn::LoadU(d, to + half), sums[r][1]), d, to + half);
  }
}

/// A tile of which only `rows` and `cols` are there.
void edge_tile(const float* a, const float* b, int64_t depth, float* c, int64_t stride,
               int64_t rows, int64_t cols) {
  HWY_ALIGN float whole[kTileRows * 2 * kMostLanes] = {};
  const int64_t width = tile_cols();
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(whole + r * width, c + r * stride, static_cast<size_t>(cols) * sizeof(float));
  tile(a, b, depth, whole, width);
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(c + r * stride, whole + r * width, static_cast<size_t>(cols) * sizeof(float));
}

/// Where the sums of the task's first element lie, and the distance between rows.
struct Sums {
  float* first;
  int64_t stride;
};

/// The sums begin with what is there, with the bias or with 0.
Sums begin_sums(const ProductTask& t) {
  const bool in_place = t.c->dtype == Dtype::kF32;
  const Sums sums =
      in_place ? Sums{t.c->row<float>(t.m0) + t.n0, t.c->stride} : Sums{t.sums, t.n1 - t.n0};
  const int64_t cols = t.n1 - t.n0;
  for (int64_t m = t.m0; m < t.m1; ++m) {
    float* row = sums.first + (m - t.m0) * sums.stride;
    if (t.add && in_place && !*t.bias) continue;
    for_vectors(cols, [&](int64_t at, auto access) {
      VecF start = hn::Zero(F32());
      if (t.add) start = in_place ? access(row, at) : access(t.c->template row<BF16>(m) + t.n0, at);
      if (*t.bias) start = hn::Add(start, access(t.bias->template row<float>(0) + t.n0, at));
      access.put(start, row, at);
    });
  }
  return sums;
}

void end_sums(const ProductTask& t, const Sums& sums) {
  if (t.c->dtype == Dtype::kF32) return;
  for (int64_t m = t.m0; m < t.m1; ++m) {
    const float* row = sums.first + (m - t.m0) * sums.stride;
    BF16* to = t.c->row<BF16>(m) + t.n0;
    for_vectors(t.n1 - t.n0, [&](int64_t at, auto access) { access.put(access(row, at), to, at); });
  }
}

/// Rows and columns of a task, packed to `depth`: tiles or strips one behind the other.
void pack(const ProductTask& t, int64_t k0, int64_t depth) {
  with_type(t.a->view.dtype, [&]<class A>(Type<A>) {
    float* out = t.packed_a;
    for (int64_t m = t.m0; m < t.m1; m += kTileRows, out += depth * kTileRows)
      pack_a<A>(t, m, std::min<int64_t>(kTileRows, t.m1 - m), k0, depth, out);
  });
  with_weight_type(t.b->view.dtype, [&]<class B>(Type<B>) {
    const int64_t width = tile_cols();
    float* out = t.packed_b;
    for (int64_t n = t.n0; n < t.n1; n += width, out += depth * width)
      pack_b<B>(t, n, std::min(width, t.n1 - n), k0, depth, out);
  });
}

/// Adds the product of what is packed to rows [m0, m1).
void multiply_packed(const ProductTask& t, const Sums& sums, int64_t m0, int64_t m1,
                     int64_t depth) {
  const int64_t width = tile_cols();
  const float* b = t.packed_b;
  for (int64_t n = t.n0; n < t.n1; n += width, b += depth * width) {
    const int64_t cols = std::min(width, t.n1 - n);
    const float* a = t.packed_a + (m0 - t.m0) * depth;
    for (int64_t m = m0; m < m1; m += kTileRows, a += depth * kTileRows) {
      const int64_t rows = std::min<int64_t>(kTileRows, m1 - m);
      float* c = sums.first + (m - t.m0) * sums.stride + (n - t.n0);
      if (rows == kTileRows && cols == width)
        tile(a, b, depth, c, sums.stride);
      else
        edge_tile(a, b, depth, c, sums.stride, rows, cols);
    }
  }
}

void multiply_task(const ProductTask& t) {
  const Sums sums = begin_sums(t);
  const int64_t depth_all = t.a->cols(), near = kNearRows / kTileRows * kTileRows;
  for (int64_t k0 = 0; k0 < depth_all; k0 += kDepth) {
    const int64_t depth = std::min(kDepth, depth_all - k0);
    pack(t, k0, depth);
    for (int64_t m = t.m0; m < t.m1; m += near)
      multiply_packed(t, sums, m, std::min(m + near, t.m1), depth);
  }
  end_sums(t, sums);
}

int64_t strip_width() { return tile_cols(); }
int64_t strip_rows() { return kTileRows; }

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <hwy/aligned_allocator.h>

#include "base/threads.h"

namespace falconer::cpu {
namespace {

HWY_EXPORT(multiply_task);
HWY_EXPORT(strip_width);
HWY_EXPORT(strip_rows);

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/// Memory of one thread, kept from call to call.
struct Room {
  hwy::AlignedFreeUniquePtr<float[]> memory;
  size_t size = 0;
  float* at_least(int64_t floats) {
    if (size < static_cast<size_t>(floats)) {
      size = static_cast<size_t>(floats);
      memory = hwy::AllocateAligned<float>(size);
    }
    return memory.get();
  }
};

}  // namespace

// Threads share columns of c, and rows where there are few columns. An element's sum has the same
// order however the work is cut.
void packed_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                    const View& bias) {
  const int64_t width = HWY_DYNAMIC_DISPATCH(strip_width)();
  const int64_t height = HWY_DYNAMIC_DISPATCH(strip_rows)();
  const int64_t threads = thread_count(), m = c.rows, n = c.cols;
  const bool by_rows = n < 2 * threads * width;
  const int64_t col_parts = by_rows ? 1 : threads * ((n + threads * kCols - 1) / (threads * kCols));
  const int64_t most_rows = by_rows ? std::max<int64_t>(1, (m + threads - 1) / threads) : m;
  const int64_t row_parts = (m + std::min(kRows, most_rows) - 1) / std::min(kRows, most_rows);
  const int64_t cols = round_up((n + col_parts - 1) / col_parts, width);
  const int64_t rows = round_up((m + row_parts - 1) / row_parts, height);
  parallel_for(row_parts * col_parts, 1, [&](int64_t begin, int64_t end) {
    thread_local Room room;
    const int64_t packed_a = (rows + height) * kDepth, packed_b = (cols + width) * kDepth;
    const int64_t sums = c.dtype == Dtype::kF32 ? 0 : rows * cols;
    float* memory = room.at_least(packed_a + packed_b + sums);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m0 = i / col_parts * rows, n0 = i % col_parts * cols;
      const ProductTask task{.a = &a,
                             .b = &b,
                             .c = &c,
                             .bias = &bias,
                             .scale = scale,
                             .add = add,
                             .m0 = m0,
                             .m1 = std::min(m, m0 + rows),
                             .n0 = n0,
                             .n1 = std::min(n, n0 + cols),
                             .packed_a = memory,
                             .packed_b = memory + packed_a,
                             .sums = memory + packed_a + packed_b};
      if (task.m0 < task.m1 && task.n0 < task.n1) HWY_DYNAMIC_DISPATCH(multiply_task)(task);
    }
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
