#include "ops/cpu/narrow_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/narrow_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <algorithm>

#include "ops/cpu/vector-inl.h"

#ifndef FALCONER_OPS_CPU_NARROW_PRODUCT_TASK_
#define FALCONER_OPS_CPU_NARROW_PRODUCT_TASK_
namespace falconer::cpu {

/// The most columns of what is narrow, and those whose sums are in registers at a time.
constexpr int64_t kMostNarrow = 16, kNarrow = 8;
/// Rows that pass by before sums go back to memory, and columns of what is wide whose sums the first cache holds.
constexpr int64_t kNarrowRows = 16, kWideCols = 256;

/// Columns [begin, end) of dw = scale narrow' wide, or of its transpose where `turned`.
struct NarrowTask {
  View narrow, wide, dw;
  float scale;
  bool turned;
  int64_t begin, end;
};

/// Rows [begin, end) of dx; `turned` is W' in f32, with rows of zeros behind to a multiple of kNarrow.
struct NarrowDots {
  const LinearBackward& args;
  const float* turned;
  int64_t begin, end;
};

/// Rows of what is narrow as f32, with zeros where there are none.
struct NarrowRows {
  int64_t rows = 0;
  float values[kNarrowRows][kMostNarrow] = {};
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// sums (kNarrow, kWideCols) += so many vectors of rows of what is wide, from column `at`.
template <int kVectors, class W, class Access>
HWY_INLINE void add_rows(const NarrowRows& block, int64_t first, const W* const* wide, float* sums,
                         int64_t at, Access access) {
  const F32 d;
  VecF held[kNarrow][kVectors];
#pragma GCC unroll 8
  for (int k = 0; k < kNarrow; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) held[k][v] = access(sums + k * kWideCols, at + v * lanes());
  for (int64_t i = 0; i < block.rows; ++i) {
    VecF x[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) x[v] = access(wide[i], at + v * lanes());
#pragma GCC unroll 8
    for (int k = 0; k < kNarrow; ++k) {
      const VecF factor = hn::Set(d, block.values[i][first + k]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) held[k][v] = hn::MulAdd(factor, x[v], held[k][v]);
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < kNarrow; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      access.put(held[k][v], sums + k * kWideCols, at + v * lanes());
}

template <class A>
void add_block(const NarrowTask& task, int64_t row, NarrowRows& block, float* sums) {
  const int64_t columns = task.narrow.cols, n = task.end - task.begin;
  const A* wide[kNarrowRows];
  for (int64_t i = 0; i < block.rows; ++i) {
    wide[i] = task.wide.row<A>(row + i) + task.begin;
    const A* const from = task.narrow.row<A>(row + i);
    for (int64_t k = 0; k < columns; ++k) block.values[i][k] = static_cast<float>(from[k]);
  }
  for (int64_t first = 0; first < columns; first += kNarrow) {
    float* const to = sums + first * kWideCols;
    int64_t at = 0;
    for (; at + 2 * lanes() <= n; at += 2 * lanes())
      add_rows<2>(block, first, wide, to, at, Whole());
    for (; at + lanes() <= n; at += lanes()) add_rows<1>(block, first, wide, to, at, Whole());
    if (at < n) add_rows<1>(block, first, wide, to, at, Tail{n - at});
  }
}

void narrow_columns(const NarrowTask& task) {
  HWY_ALIGN float sums[kMostNarrow * kWideCols] = {};
  NarrowRows block;
  with_type(task.wide.dtype, [&]<class A>(Type<A>) {
    for (int64_t row = 0; row < task.wide.rows; row += kNarrowRows) {
      block.rows = std::min(kNarrowRows, task.wide.rows - row);
      add_block<A>(task, row, block, sums);
    }
  });
  for (int64_t k = 0; k < task.narrow.cols; ++k)
    for (int64_t j = task.begin; j < task.end; ++j) {
      float& to = task.turned ? task.dw.row<float>(j)[k] : task.dw.row<float>(k)[j];
      to += task.scale * sums[k * kWideCols + j - task.begin];
    }
}

/// sums (kRows, kNarrow) = dot products of rows of dy with rows of w (kNarrow, n).
template <int kRows, class A>
HWY_INLINE void dot_rows(const A* const* dy, const float* w, int64_t n, float* sums) {
  const F32 d;
  VecF held[kRows][kNarrow];
#pragma GCC unroll 2
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
    for (int k = 0; k < kNarrow; ++k) held[i][k] = hn::Zero(d);
  for_vectors(n, [&](int64_t at, auto access) HWY_ATTR {
    VecF x[kRows];
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) x[i] = access(dy[i], at);
#pragma GCC unroll 8
    for (int k = 0; k < kNarrow; ++k) {
      const VecF factor = access(w + k * n, at);
#pragma GCC unroll 2
      for (int i = 0; i < kRows; ++i) held[i][k] = hn::MulAdd(x[i], factor, held[i][k]);
    }
  });
  for (int i = 0; i < kRows; ++i)
    for (int k = 0; k < kNarrow; ++k)
      sums[i * kNarrow + k] = hn::GetLane(hn::SumOfLanes(d, held[i][k]));
}

template <class A>
void put_dots(const LinearBackward& args, int64_t row, int64_t first, const float* sums) {
  A* const dx = args.dx.row<A>(row) + first;
  for (int64_t k = 0; k < std::min(kNarrow, args.dx.cols - first); ++k) {
    const float value = args.scale * sums[k];
    dx[k] = static_cast<A>(args.add_dx ? static_cast<float>(dx[k]) + value : value);
  }
}

void narrow_dots(const NarrowDots& task) {
  const LinearBackward& args = task.args;
  const int64_t n = args.dy.cols;
  float sums[2 * kNarrow];
  with_type(args.dy.dtype, [&]<class A>(Type<A>) {
    for (int64_t row = task.begin; row < task.end; row += 2) {
      // A row by itself is its own neighbour, so that all rows go the same way.
      const int64_t next = std::min(row + 1, task.end - 1);
      const A* const dy[] = {args.dy.row<A>(row), args.dy.row<A>(next)};
      for (int64_t first = 0; first < args.dx.cols; first += kNarrow) {
        dot_rows<2>(dy, task.turned + first * n, n, sums);
        put_dots<A>(args, row, first, sums);
        if (next > row) put_dots<A>(args, next, first, sums + kNarrow);
      }
    }
  });
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <hwy/aligned_allocator.h>

#include <cstring>

#include "base/threads.h"
#include "tensor/buffer.h"

namespace falconer::cpu {

HWY_EXPORT(narrow_columns);
HWY_EXPORT(narrow_dots);

bool is_narrow(const LinearBackward& args) {
  return std::min(args.x.cols, args.dy.cols) <= kMostNarrow;
}

bool makes_narrow(const LinearBackward& args) {
  return args.w.cols <= kMostNarrow &&
         (args.w.dtype == Dtype::kF32 || args.w.dtype == Dtype::kBF16);
}

void narrow_backward_w(const LinearBackward& args) {
  const bool turned = args.x.cols <= kMostNarrow;  // then dw lies with what is narrow in its rows
  const View narrow = turned ? args.x : args.dy, wide = turned ? args.dy : args.x;
  parallel_for((wide.cols + kWideCols - 1) / kWideCols, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) HWY_DYNAMIC_DISPATCH(narrow_columns)
    ({narrow, wide, args.dw, args.scale, turned, i * kWideCols,
      std::min(wide.cols, (i + 1) * kWideCols)});
  });
}

void narrow_backward_x(const LinearBackward& args) {
  constexpr int64_t kLeastRows = 16;
  const int64_t n = args.w.rows, columns = (args.w.cols + kNarrow - 1) / kNarrow * kNarrow;
  const auto turned = hwy::AllocateAligned<float>(static_cast<size_t>(columns * n));
  std::memset(turned.get(), 0, static_cast<size_t>(columns * n) * sizeof(float));
  for (int64_t m = 0; m < n; ++m)
    for (int64_t k = 0; k < args.w.cols; ++k)
      turned[static_cast<size_t>(k * n + m)] = args.w.dtype == Dtype::kF32
                                                   ? args.w.row<float>(m)[k]
                                                   : static_cast<float>(args.w.row<BF16>(m)[k]);
  // An even number of rows for each but the last: which are neighbours does not depend on threads, nor matters.
  const int64_t pairs = (args.dy.rows + 1) / 2;
  parallel_for(pairs, kLeastRows / 2, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(narrow_dots)
    ({args, turned.get(), 2 * begin, std::min(args.dy.rows, 2 * end)});
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
