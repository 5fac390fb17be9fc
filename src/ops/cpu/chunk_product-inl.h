// Products of small f32 matrices that lie in the caches as they are: nothing is packed. Included once for each
// instruction set.
#if defined(FALCONER_OPS_CPU_CHUNK_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALCONER_OPS_CPU_CHUNK_PRODUCT_INL_H_
#undef FALCONER_OPS_CPU_CHUNK_PRODUCT_INL_H_
#else
#define FALCONER_OPS_CPU_CHUNK_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <utility>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Of a square triangular a only its steps up to the row, or from it on, are gone through. Those of the rows beside it
/// that a tile has must be 0.
enum class Steps { kAll, kToRow, kFromRow };

/// a (m,k): element (i, j) lies at data[i * row + j * step].
struct ChunkLeft {
  const float* data;
  int64_t row, step;
  Steps steps = Steps::kAll;
};
/// Rows of whole vectors.
struct ChunkRight {
  const float* data;
  int64_t stride;
};

// The tile of c that stays in registers: sums, vectors of b and a number of a are 29 of AVX512's 32 registers, or 15 of
// 16.
constexpr int kChunkRows = 6;
#if HWY_TARGET <= HWY_AVX3
constexpr int kChunkVectors = 4;
#else
constexpr int kChunkVectors = 2;
#endif

/// R rows of V vectors of c = keep c + the steps [begin, end) of a b. What c held is not read where keep is 0.
template <int R, int V>
HWY_INLINE void chunk_tile(const ChunkLeft& a, const ChunkRight& b, int64_t begin, int64_t end,
                           float keep, float* c, int64_t stride) {
  const F32 d;
  VecF sums[R][V];
  const VecF factor = hn::Set(d, keep);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      sums[r][v] = keep == 0 ? hn::Zero(d) : hn::Mul(factor, load(c + r * stride + v * lanes()));
  const float* left = a.data + begin * a.step;
  const float* right = b.data + begin * b.stride;
  for (int64_t k = begin; k < end; ++k, left += a.step, right += b.stride) {
    VecF row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = load(right + v * lanes());
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VecF number = hn::Set(d, left[r * a.row]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] = hn::MulAdd(number, row[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(sums[r][v], c + r * stride + v * lanes());
}

template <int V>
void chunk_columns(int64_t m, int64_t k, const ChunkLeft& a, const ChunkRight& b, float keep,
                   float* c, int64_t stride) {
  for (int64_t row = 0; row < m; row += kChunkRows, c += kChunkRows * stride) {
    const int64_t rows = std::min<int64_t>(kChunkRows, m - row);
    const int64_t begin = a.steps == Steps::kFromRow ? row : 0;
    const int64_t end = a.steps == Steps::kToRow ? std::min(k, row + rows) : k;
    const ChunkLeft from{a.data + row * a.row, a.row, a.step};
    [&]<int... R>(std::integer_sequence<int, R...>) {
      ((rows == R + 1 ? chunk_tile<R + 1, V>(from, b, begin, end, keep, c, stride) : void()), ...);
    }
    (std::make_integer_sequence<int, kChunkRows>());
  }
}

/// c (m,n) = keep c + a (m,k) b (k,n), where n is whole vectors. What an element gets is added in the order of k.
HWY_INLINE void chunk_product(int64_t m, int64_t n, int64_t k, const ChunkLeft& a,
                              const ChunkRight& b, float keep, float* c, int64_t stride) {
  const int64_t wide = kChunkVectors * lanes();
  int64_t at = 0;
  for (; at + wide <= n; at += wide)
    chunk_columns<kChunkVectors>(m, k, a, {b.data + at, b.stride}, keep, c + at, stride);
  for (; at < n; at += lanes())
    chunk_columns<1>(m, k, a, {b.data + at, b.stride}, keep, c + at, stride);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
