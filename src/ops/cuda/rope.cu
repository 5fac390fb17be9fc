// Rotary position embedding, and keys and values into a cache.
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

/// A pair of dimensions for each thread: column c of a row is pair c % half of head c / half.
template <class A>
struct RopeEach {
  HeadsMat<A> x;
  const int32_t* positions;
  Mat<const float> table;
  bool inverse, interleaved;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    const int64_t half = table.cols / 2, h = c / half, i = c - h * half;
    const float* angles = table.row(positions[n]);
    const float cosine = angles[i], sine = inverse ? -angles[half + i] : angles[half + i];
    A* head = x.head(n, h);
    A &first = head[interleaved ? 2 * i : i], &second = head[interleaved ? 2 * i + 1 : i + half];
    const float a = float(first), b = float(second);
    first = A(a * cosine - b * sine);
    second = A(b * cosine + a * sine);
  }
};

template <class A>
struct CacheEach {
  HeadsMat<const A> from;
  const int32_t* index;
  Mat<A> cache;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    const int64_t h = c / from.size;
    cache(index[n], c) = from.head(n, h)[c - h * from.size];
  }
};

}  // namespace

void rope(const Rope& a) {
  const int32_t* positions = staged_indices(a.x.rows.device, a.positions);
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    each(a.x.rows.device, a.x.rows.rows, a.x.count() * a.table.cols / 2, false,
         RopeEach<A>{on_gpu<A>(a.x), positions, on_gpu<const float>(a.table), a.inverse,
                     a.interleaved});
  });
}

void cache_store(const CacheStore& a) {
  const int32_t* index = staged_indices(a.cache.device, a.index);
  with_type(a.cache.dtype, [&]<class A>(Type<A>) {
    each(a.cache.device, a.from.rows.rows, a.cache.cols, false,
         CacheEach<A>{on_gpu<const A>(a.from), index, on_gpu<A>(a.cache)});
  });
}

}  // namespace falconer::FALCONER_GPU
