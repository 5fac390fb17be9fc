// What kernels are written in: CUDA, or the stand-in of the tests, which runs the same sources on
// the host (tests/support/emulated_gpu.h, included before this). And what kernels share.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <type_traits>

#include "ops/cuda/name.h"
#include "ops/heads.h"
#include "ops/with_type.h"
#include "tensor/device.h"

#ifndef FALCONER_EMULATED_GPU
#include <cuda_runtime.h>
#include <mma.h>
namespace falconer::cuda {
namespace wmma = nvcuda::wmma;
/// The queue of a device that open_cuda() made.
cudaStream_t stream_of(const Device& device);
/// Throws Error where `status` is not success.
void check(cudaError_t status, const char* what);
}  // namespace falconer::cuda
#endif

namespace falconer::FALCONER_GPU {

constexpr int kWarp = 32;
constexpr unsigned kAll = 0xffffffffu;

// ---- on the host

/// Blocks of a launch, threads of a block, and bytes of shared memory of a block.
struct Shape {
  int64_t x = 1, y = 1, z = 1;
  int threads = 256;
  size_t shared = 0;
};

/// Queues a kernel. Nothing where there are no blocks.
template <class... Params, class... Args>
void launch(Device* device, void (*kernel)(Params...), const Shape& shape, Args&&... args) {
  FALCONER_CHECK(device != nullptr && shape.threads % kWarp == 0);
  if (shape.x <= 0 || shape.y <= 0 || shape.z <= 0) return;
  FALCONER_CHECK(shape.x < (int64_t{1} << 31) && shape.y < 65536 && shape.z < 65536);
  const dim3 grid(static_cast<unsigned>(shape.x), static_cast<unsigned>(shape.y),
                  static_cast<unsigned>(shape.z));
#ifdef FALCONER_EMULATED_GPU
  enqueue_blocks(*device, grid, shape.threads, shape.shared,
                 [kernel, ... values = Params(args)]() { kernel(values...); });
#else
  if (shape.shared > (size_t{48} << 10))
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shape.shared)),
          "shared memory");
  kernel<<<grid, static_cast<unsigned>(shape.threads), shape.shared, stream_of(*device)>>>(
      static_cast<Params>(args)...);
  check(cudaGetLastError(), "starting a kernel");
#endif
}

inline int64_t blocks_of(int64_t n, int64_t per_block) { return (n + per_block - 1) / per_block; }

/// A view's elements as kernels see them.
template <class S>
Mat<S> on_gpu(const View& v) {
  FALCONER_CHECK(v.data == nullptr ||
                 (v.device != nullptr && v.dtype == dtype_of<std::remove_const_t<S>>()));
  return {static_cast<S*>(v.data), v.rows, v.cols, v.stride};
}
template <class S>
HeadsMat<S> on_gpu(const Heads& h) {
  return {on_gpu<S>(h.rows), h.groups, h.per_group, h.group_stride, h.size};
}

/// Indices and spans lie in host memory on every device; the kernels read a copy.
inline const int32_t* staged_indices(Device* device, const View& indices) {
  FALCONER_CHECK(indices.device == nullptr && indices.dtype == Dtype::kI32);
  return static_cast<const int32_t*>(device->staged(indices.data, indices.bytes()));
}

// ---- in a kernel

/// 16 bytes that are moved at one time.
struct alignas(16) Quad {
  uint32_t words[4];
};

/// N elements from p on, which is aligned to 16 bytes unless N is 1.
template <int N, class A>
__device__ inline void load(const A* p, float (&x)[N]) {
  if constexpr (N == 1) {
    x[0] = float(p[0]);
  } else {
    constexpr int kQuads = N * static_cast<int>(sizeof(A)) / 16;
    Quad quads[kQuads];
    for (int i = 0; i < kQuads; ++i) quads[i] = reinterpret_cast<const Quad*>(p)[i];
    A values[N];
    memcpy(values, quads, sizeof values);
    for (int i = 0; i < N; ++i) x[i] = float(values[i]);
  }
}
template <int N, class A>
__device__ inline void store(A* p, const float (&x)[N]) {
  if constexpr (N == 1) {
    p[0] = A(x[0]);
  } else {
    constexpr int kQuads = N * static_cast<int>(sizeof(A)) / 16;
    A values[N];
    for (int i = 0; i < N; ++i) values[i] = A(x[i]);
    Quad quads[kQuads];
    memcpy(quads, values, sizeof values);
    for (int i = 0; i < kQuads; ++i) reinterpret_cast<Quad*>(p)[i] = quads[i];
  }
}

template <class T>
__device__ inline T warp_sum(T x) {
  for (int step = kWarp / 2; step > 0; step /= 2) x += __shfl_xor_sync(kAll, x, step);
  return x;
}
__device__ inline float warp_max(float x) {
  for (int step = kWarp / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(kAll, x, step));
  return x;
}

/// The sum over a block, for every thread of it; `room` has a place for each warp. In one fixed
/// order.
template <class T>
__device__ inline T block_sum(T x, T* room) {
  x = warp_sum(x);
  __syncthreads();  // nobody reads what an earlier call left
  if (threadIdx.x % kWarp == 0) room[threadIdx.x / kWarp] = x;
  __syncthreads();
  T total = 0;
  for (unsigned i = 0; i < blockDim.x / kWarp; ++i) total += room[i];
  return total;
}
__device__ inline float block_max(float x, float* room) {
  x = warp_max(x);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) room[threadIdx.x / kWarp] = x;
  __syncthreads();
  float most = room[0];
  for (unsigned i = 1; i < blockDim.x / kWarp; ++i) most = fmaxf(most, room[i]);
  return most;
}

/// Number of this thread in the launch.
__device__ inline int64_t thread_number() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

#ifndef FALCONER_EMULATED_GPU
/// The shared memory that the launch asked for.
__device__ inline std::byte* shared_memory() {
  extern __shared__ __align__(128) std::byte falconer_shared[];
  return falconer_shared;
}
#endif

// ---- element by element

/// Calls f.run<N>(row, column) for every N columns of every row.
template <int N, class F>
__global__ void each_kernel(int64_t rows, int64_t chunks, F f) {
  const int64_t i = thread_number();
  if (i >= rows * chunks) return;
  // Division of 32 bits is several times as fast.
  const int64_t n = rows * chunks < (int64_t{1} << 32)
                        ? static_cast<uint32_t>(i) / static_cast<uint32_t>(chunks)
                        : i / chunks;
  f.template run<N>(n, (i - n * chunks) * N);
}

/// Elements that a thread takes where views allow it.
constexpr int kPack = 8;

/// Every row of every view begins on 16 bytes, and rows are whole packs.
inline bool packs(int64_t cols, std::initializer_list<View> views) {
  if (cols % kPack != 0) return false;
  for (const View& v : views) {
    if (!v) continue;
    const size_t stride = static_cast<size_t>(v.stride) * size_of(v.dtype);
    if (reinterpret_cast<uintptr_t>(v.data) % 16 != 0) return false;
    if (v.rows > 1 && stride % 16 != 0) return false;
  }
  return true;
}

template <class F>
void each(Device* device, int64_t rows, int64_t cols, bool packed, const F& f) {
  constexpr int kThreads = 256;
  const int64_t chunks = packed ? cols / kPack : cols;
  launch(device, packed ? each_kernel<kPack, F> : each_kernel<1, F>,
         {.x = blocks_of(rows * chunks, kThreads), .threads = kThreads}, rows, chunks, f);
}

}  // namespace falconer::FALCONER_GPU
