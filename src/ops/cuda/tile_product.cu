// Our own matrix product, for dtypes that no library multiplies (f32 by bf16) and where none is
// installed: tiles of 64 x 64 in shared memory, 4 x 4 results for each thread, all in f32.
#include "ops/cuda/gpu.h"
#include "ops/cuda/product.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kTile = 64, kDepth = 16, kThreads = 256, kEach = 4;
constexpr int kStride = kTile + 4;  // of a tile's lines in shared memory: apart in its banks

/// Element (i, j) of a matrix, or of its transpose.
template <class S>
struct Operand {
  Mat<const S> x;
  bool transposed;
  __device__ float at(int64_t i, int64_t j) const { return float(transposed ? x(j, i) : x(i, j)); }
};

template <class A, class B, class C>
struct TileProduct {
  Operand<A> a;
  Operand<B> b;
  Mat<C> c;
  const float* bias;
  int64_t k;
  float scale;
  bool add;
};

/// Lines of 64 elements, one for each of kDepth steps of k; 0 outside of the matrix. Neighbouring
/// threads read neighbours in memory.
template <bool kAlongLines, class At>
__device__ void fill_tile(float* tile, At at) {
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kDepth; i += kThreads) {
    const int line = kAlongLines ? i / kTile : i % kDepth;
    const int place = kAlongLines ? i % kTile : i / kDepth;
    tile[line * kStride + place] = at(place, line);
  }
}

template <class A, class B, class C>
__global__ void __launch_bounds__(kThreads) tile_product_kernel(TileProduct<A, B, C> p) {
  float* a_tile = reinterpret_cast<float*>(shared_memory());
  float* b_tile = a_tile + kDepth * kStride;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kTile;
  const int64_t col = static_cast<int64_t>(blockIdx.y) * kTile;
  const int x = static_cast<int>(threadIdx.x) % 16 * kEach;
  const int y = static_cast<int>(threadIdx.x) / 16 * kEach;
  float sums[kEach][kEach] = {};
  for (int64_t k = 0; k < p.k; k += kDepth) {
    const auto a_at = [&](int i, int d) {
      return row + i < p.c.rows && k + d < p.k ? p.a.at(row + i, k + d) : 0.0f;
    };
    const auto b_at = [&](int j, int d) {
      return col + j < p.c.cols && k + d < p.k ? p.b.at(k + d, col + j) : 0.0f;
    };
    p.a.transposed ? fill_tile<true>(a_tile, a_at) : fill_tile<false>(a_tile, a_at);
    p.b.transposed ? fill_tile<false>(b_tile, b_at) : fill_tile<true>(b_tile, b_at);
    __syncthreads();
    for (int d = 0; d < kDepth; ++d)
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j)
          sums[i][j] += a_tile[d * kStride + y + i] * b_tile[d * kStride + x + j];
    __syncthreads();
  }
  for (int i = 0; i < kEach; ++i)
    for (int j = 0; j < kEach; ++j) {
      const int64_t n = row + y + i, m = col + x + j;
      if (n >= p.c.rows || m >= p.c.cols) continue;
      float out = p.scale * sums[i][j];
      if (p.bias != nullptr) out += p.bias[m];
      if (p.add) out += float(p.c(n, m));
      p.c(n, m) = C(out);
    }
}

template <class A, class B, class C>
void launch_tiles(const Product& p) {
  const TileProduct<A, B, C> call{{on_gpu<const A>(p.a), p.a_transposed},
                                  {on_gpu<const B>(p.b), p.b_transposed},
                                  on_gpu<C>(p.c),
                                  on_gpu<const float>(p.bias).data,
                                  p.k(),
                                  p.scale,
                                  p.add};
  launch(p.c.device, tile_product_kernel<A, B, C>,
         {.x = blocks_of(p.n(), kTile),
          .y = blocks_of(p.m(), kTile),
          .threads = kThreads,
          .shared = 2 * kDepth * kStride * sizeof(float)},
         call);
}

}  // namespace

void tile_product(const Product& p) {
  with_type(p.a.dtype, [&]<class A>(Type<A>) {
    with_type(p.b.dtype, [&]<class B>(Type<B>) {
      with_type(p.c.dtype, [&]<class C>(Type<C>) {
        // Products of bf16 by f32 are narrowed before they come here.
        if constexpr (std::is_same_v<A, B> || std::is_same_v<A, float>)
          launch_tiles<A, B, C>(p);
        else
          FALCONER_CHECK(!"bf16 by f32");
      });
    });
  });
}

}  // namespace falconer::FALCONER_GPU
