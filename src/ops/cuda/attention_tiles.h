// What the attention kernels share: tiles of lines and keys in shared memory, and their products by
// a whole block of threads: tensor cores for bf16, ordinary arithmetic for f32.
#pragma once

#include "ops/attention.h"
#include "ops/cuda/gpu.h"

namespace falconer::FALCONER_GPU {

// A line is a query of one head. Lines of a span and group are numbered query by query, the heads
// of the group beside each other: with one key head for many queries a tile of lines reads few
// keys more than one line does.

constexpr int kAttentionThreads = 256;
constexpr int64_t kLargestHead = 256;

/// Room between rows of a tile: rows begin in different banks, and where tensor cores read them.
template <class A>
constexpr int kGap = std::is_same_v<A, BF16> ? 8 : 1;
/// The same for f32 results of products.
constexpr int kResultGap = 4;

constexpr int padded(int64_t size) { return static_cast<int>((size + 15) / 16 * 16); }
constexpr size_t aligned(size_t bytes) { return (bytes + 127) / 128 * 128; }

/// Hands out shared memory piece by piece.
struct Carver {
  std::byte* next;
  template <class T>
  __device__ T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next);
    next += aligned(static_cast<size_t>(count) * sizeof(T));
    return piece;
  }
};

/// Tiles of every span, one behind the other: tile i of the launch belongs to the span s with
/// first[s] <= i < first[s + 1].
struct SpanTiles {
  const AttentionSpan* spans;
  const int32_t* first;
  int32_t count;
};
struct FoundTile {
  AttentionSpan span;
  int64_t tile;
};
__device__ inline FoundTile find_tile(const SpanTiles& tiles, int32_t number) {
  int32_t low = 0, high = tiles.count - 1;
  while (low < high) {
    const int32_t middle = (low + high + 1) / 2;
    if (tiles.first[middle] <= number)
      low = middle;
    else
      high = middle - 1;
  }
  return {tiles.spans[low], number - tiles.first[low]};
}

/// What a line is, and which keys of its span it sees.
struct Lines {
  AttentionSpan span;
  int64_t group, per_group, window;

  __device__ int64_t count() const { return span.q_count * per_group; }
  __device__ int64_t row(int64_t line) const { return span.q_begin + line / per_group; }
  __device__ int64_t head(int64_t line) const { return group * per_group + line % per_group; }
  __device__ SeenKeys keys(int64_t line) const { return seen_keys(span, line / per_group, window); }
  __device__ int64_t seen(int64_t line) const { return keys(line).end; }
  /// The first line that sees key j.
  __device__ int64_t first_that_sees(int64_t j) const {
    const int64_t query = j - (span.kv_count - span.q_count);
    return query > 0 ? query * per_group : 0;
  }
  /// The lines before this one see key j, as far as they come after it.
  __device__ int64_t end_of_those_that_see(int64_t j) const {
    const int64_t queries = j + window - (span.kv_count - span.q_count);
    return window == 0 || queries > span.q_count ? count() : queries > 0 ? queries * per_group : 0;
  }
};

/// cap tanh(s / cap), or s where there is no cap.
__device__ inline float capped(float s, float cap) { return cap > 0 ? cap * tanhf(s / cap) : s; }

/// slope * position, rounded to bf16 as the reference does even in f32.
__device__ inline float alibi_bias(float slope, int64_t position) {
  return float(BF16(slope * float(BF16(static_cast<float>(position)))));
}

/// Rows of a tile from global memory: row i is `size` numbers at at(i), 0 from `rows` on and behind
/// `size`.
template <class A, int kRows, class At>
__device__ void fill_rows(A* tile, int width, int64_t rows, int64_t size, bool wide, At at) {
  const int stride = width + kGap<A>;
  if constexpr (std::is_same_v<A, BF16>) {
    if (wide) {  // 16 bytes at a time
      constexpr int kEach = 8;
      const int quads = width / kEach;
      for (int i = static_cast<int>(threadIdx.x); i < kRows * quads; i += kAttentionThreads) {
        const int row = i / quads, d = i % quads * kEach;
        Quad quad = {};
        if (row < rows && d < size) quad = *reinterpret_cast<const Quad*>(at(row) + d);
        *reinterpret_cast<Quad*>(tile + row * stride + d) = quad;
      }
      return;
    }
  }
  for (int i = static_cast<int>(threadIdx.x); i < kRows * width; i += kAttentionThreads) {
    const int row = i / width, d = i % width;
    tile[row * stride + d] = row < rows && d < size ? at(row)[d] : A(0.0f);
  }
}

/// c (M x n) = a b, or += where add; by all threads of a block, between barriers of the caller's. a
/// is M x k, or lies as k x M; b is k x n, or lies as n x k. Sizes are multiples of 16.
template <bool kTransposedA, bool kTransposedB, class A>
__device__ void block_product(const A* a, int a_stride, const A* b, int b_stride, float* c,
                              int c_stride, int m, int n, int k, bool add) {
  if constexpr (std::is_same_v<A, BF16>) {
    using LayoutA = std::conditional_t<kTransposedA, wmma::col_major, wmma::row_major>;
    using LayoutB = std::conditional_t<kTransposedB, wmma::col_major, wmma::row_major>;
    const auto* x = reinterpret_cast<const __nv_bfloat16*>(a);
    const auto* y = reinterpret_cast<const __nv_bfloat16*>(b);
    const int across = n / 16, tiles = m / 16 * across;
    for (int t = static_cast<int>(threadIdx.x) / kWarp; t < tiles; t += kAttentionThreads / kWarp) {
      const int i = t / across * 16, j = t % across * 16;
      wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
      if (add)
        wmma::load_matrix_sync(sum, c + i * c_stride + j, static_cast<unsigned>(c_stride),
                               wmma::mem_row_major);
      else
        wmma::fill_fragment(sum, 0.0f);
      for (int d = 0; d < k; d += 16) {
        wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA> left;
        wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB> right;
        wmma::load_matrix_sync(left, x + (kTransposedA ? d * a_stride + i : i * a_stride + d),
                               static_cast<unsigned>(a_stride));
        wmma::load_matrix_sync(right, y + (kTransposedB ? j * b_stride + d : d * b_stride + j),
                               static_cast<unsigned>(b_stride));
        wmma::mma_sync(sum, left, right, sum);
      }
      wmma::store_matrix_sync(c + i * c_stride + j, sum, static_cast<unsigned>(c_stride),
                              wmma::mem_row_major);
    }
  } else {
    // 4 x 4 results of a thread, a quarter of the tile apart: neighbours read neighbours.
    const int across = n / 4, down = m / 4;
    for (int t = static_cast<int>(threadIdx.x); t < across * down; t += kAttentionThreads) {
      const int x = t % across, y = t / across;
      float sums[4][4] = {};
      for (int d = 0; d < k; ++d) {
        float left[4], right[4];
        for (int i = 0; i < 4; ++i) {
          const int row = y + i * down, col = x + i * across;
          left[i] = a[kTransposedA ? d * a_stride + row : row * a_stride + d];
          right[i] = b[kTransposedB ? col * b_stride + d : d * b_stride + col];
        }
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j) sums[i][j] += left[i] * right[j];
      }
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
          float& out = c[(y + i * down) * c_stride + x + j * across];
          out = add ? out + sums[i][j] : sums[i][j];
        }
    }
  }
}

// ---- on the host

/// Heads whose rows can be read 16 bytes at a time.
inline bool wide_heads(std::initializer_list<Heads> all) {
  for (const Heads& h : all) {
    const size_t item = size_of(h.rows.dtype);
    const auto whole = [&](int64_t elements) {
      return static_cast<size_t>(elements) * item % 16 == 0;
    };
    if (reinterpret_cast<uintptr_t>(h.rows.data) % 16 != 0 || !whole(h.rows.stride) ||
        !whole(h.group_stride) || !whole(h.size))
      return false;
  }
  return true;
}

/// The spans and the numbers of their tiles, on the device; `total` receives how many there are.
template <class TilesOf>
SpanTiles stage_tiles(Device* device, std::span<const AttentionSpan> spans, TilesOf tiles_of,
                      int64_t& total) {
  std::vector<int32_t> first;
  total = 0;
  for (const AttentionSpan& span : spans) {
    first.push_back(static_cast<int32_t>(total));
    total += tiles_of(span);
  }
  FALCONER_CHECK(total < (int64_t{1} << 31));
  return {static_cast<const AttentionSpan*>(device->staged(spans.data(), spans.size_bytes())),
          static_cast<const int32_t*>(device->staged(first.data(), first.size() * sizeof(int32_t))),
          static_cast<int32_t>(first.size())};
}

/// Calls work(Type of a std::integral_constant) with the largest tile of 64, 32 or 16 lines that
/// fits the device's shared memory, `bytes_of` being what a tile takes.
template <class BytesOf, class F>
void with_tile(Device* device, int64_t lines, BytesOf bytes_of, F&& work) {
  const size_t most = device->shared_bytes();
  if (lines > 32 && bytes_of(64) <= most) return work(std::integral_constant<int, 64>{});
  if (lines > 16 && bytes_of(32) <= most) return work(std::integral_constant<int, 32>{});
  if (bytes_of(16) > most)
    fail_on_device(device->name(), "attention heads of this size do not fit its shared memory");
  work(std::integral_constant<int, 16>{});
}

}  // namespace falconer::FALCONER_GPU
