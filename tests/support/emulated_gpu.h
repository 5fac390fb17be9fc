// A GPU that is not there: the words that kernels are written in, for g++, and a device that runs
// them. Every thread of a block is a fiber; __syncthreads, __syncwarp and shuffles wait for the
// others. Work is queued and done as late as possible, and the device's memory cannot be touched
// from outside of it: what host code may not do with a real device fails here as well.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>

#include "tensor/device.h"
#include "tensor/dtype.h"

#define FALCONER_EMULATED_GPU
#define FALCONER_GPU emulated
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace falconer::emulated {

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

/// Waits until every thread of the block is here. A thread that ended, or waits elsewhere, is an
/// error.
void __syncthreads();
void __syncwarp(unsigned mask = 0xffffffffu);
/// Puts `bytes` of this lane where the warp sees it, and gives what `lane` put there.
void exchange(const void* mine, void* other, size_t bytes, int lane);

template <class T>
T __shfl_sync(unsigned, T x, int lane) {
  T other;
  exchange(&x, &other, sizeof x, lane);
  return other;
}
template <class T>
T __shfl_xor_sync(unsigned, T x, int mask) {
  return __shfl_sync(0, x, static_cast<int>(threadIdx.x % 32) ^ mask);
}

std::byte* shared_memory();

template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}

/// Queues the blocks of a launch; `thread` is the kernel with its arguments.
void enqueue_blocks(Device& device, dim3 grid, int threads, size_t shared,
                    std::function<void()> thread);
/// Queues work of the host's on the device's memory: what a library would do there.
void enqueue_call(Device& device, std::function<void()> call);

/// The same in a queue that Device::open_queue() made, named by its stream().
void enqueue_call(void* stream, std::function<void()> call);

struct EmulatedShape {
  int processors = 2;
  size_t shared_bytes = 227 << 10;
  size_t memory_bytes = size_t{4} << 30;
  bool library = true;  // there is one for matrix products
  // Work in a second queue is done as soon as it may be, and not as late: who does not wait for the device's work
  // before it is found out by the one, and who does not wait for it by the other.
  bool hasty_queue = false;
};
std::unique_ptr<Device> open_emulated(const EmulatedShape& shape = {});
/// What `device` was opened with.
const EmulatedShape& shape_of(const Device& device);

/// Matrix products of a warp on tiles of 16 x 16, with the names of nvcuda::wmma. Every lane has the
/// whole tile.
namespace wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int M, int N, int K, class T, class Layout = row_major>
struct fragment {
  float tile[16][16];
};

template <class Use, class T, class Layout, class S>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& f, const S* p, unsigned stride) {
  if (reinterpret_cast<uintptr_t>(p) % 32 != 0 || stride * sizeof(S) % 16 != 0)
    fail_on_device("wmma", "a tile that is not aligned");
  constexpr bool kCols = std::is_same_v<Layout, col_major>;
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j)
      f.tile[i][j] = float(kCols ? p[j * stride + i] : p[i * stride + j]);
}
template <class S>
void load_matrix_sync(fragment<accumulator, 16, 16, 16, float>& f, const S* p, unsigned stride,
                      layout_t) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) f.tile[i][j] = p[i * stride + j];
  __syncwarp();  // one lane writes the tile back: all have read it before
}
inline void fill_fragment(fragment<accumulator, 16, 16, 16, float>& f, float x) {
  for (auto& row : f.tile)
    for (float& value : row) value = x;
}
template <class A, class B>
void mma_sync(fragment<accumulator, 16, 16, 16, float>& d, const A& a, const B& b,
              const fragment<accumulator, 16, 16, 16, float>& c) {
  if (threadIdx.x % 32 != 0) return;  // one lane's result is the warp's
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      float sum = c.tile[i][j];
      for (int k = 0; k < 16; ++k) sum += a.tile[i][k] * b.tile[k][j];
      d.tile[i][j] = sum;
    }
}
inline void store_matrix_sync(float* p, const fragment<accumulator, 16, 16, 16, float>& f,
                              unsigned stride, layout_t) {
  if (threadIdx.x % 32 == 0)
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 16; ++j) p[i * stride + j] = f.tile[i][j];
  __syncwarp();
}

}  // namespace wmma
}  // namespace falconer::emulated

/// CUDA's own type of bf16 has the bits of ours.
using __nv_bfloat16 = falconer::BF16;
