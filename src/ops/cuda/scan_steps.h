// What the kernels of the state-space scan share: a warp has one row of a head's state, its columns over the lanes.
#pragma once

#include "ops/cuda/spans.h"
#include "ops/scan.h"

namespace falconer::FALCONER_GPU {

constexpr int64_t kLargestState = 256;
constexpr int kColumns = static_cast<int>(kLargestState) / kWarp;  // of a lane

template <class A>
struct ScanTask {
  Mat<const A> x, dt, b, c;
  const float *a_log, *skip, *dt_bias;
  int64_t groups;

  __device__ int64_t heads() const { return dt.cols; }
  __device__ int64_t per_group() const { return dt.cols / groups; }
  __device__ int64_t head_size() const { return x.cols / dt.cols; }
  __device__ int64_t state_size() const { return b.cols / groups; }
  /// Where column s of a row of a state lies; rows are counted over all heads.
  __device__ int64_t place(int64_t line, int64_t s) const {
    const int64_t h = line / head_size();
    return (h * state_size() + s) * head_size() + line - h * head_size();
  }
  __device__ const A* b_of(int64_t row, int64_t h) const {
    return b.row(row) + h / per_group() * state_size();
  }
  __device__ const A* c_of(int64_t row, int64_t h) const {
    return c.row(row) + h / per_group() * state_size();
  }
};

template <class A, class Args>
ScanTask<A> scan_task(const Args& a) {
  FALCONER_CHECK(a.b.cols / a.groups <= kLargestState);
  return {on_gpu<const A>(a.x),
          on_gpu<const A>(a.dt),
          on_gpu<const A>(a.b),
          on_gpu<const A>(a.c),
          on_gpu<const float>(a.a_log).data,
          on_gpu<const float>(a.d).data,
          on_gpu<const float>(a.dt_bias).data,
          a.groups};
}

/// d_t and f_t of a head in a row.
struct ScanTimes {
  float z, delta, a, keep;
  template <class A>
  __device__ ScanTimes(const ScanTask<A>& task, int64_t row, int64_t h)
      : z(float(task.dt(row, h)) + task.dt_bias[h]),
        delta(z > 0 ? z + log1pf(expf(-z)) : log1pf(expf(z))),
        a(-expf(task.a_log[h])),
        keep(expf(delta * a)) {}
  __device__ float slope() const { return 1.0f / (1.0f + expf(-z)); }
};

/// This lane's columns of a row of a state.
struct StateRow {
  float x[kColumns] = {};

  /// f(i, column) for each of them.
  template <class F>
  __device__ static void each(int64_t size, F&& f) {
    for (int i = 0; i < kColumns; ++i) {
      const int64_t s = static_cast<int64_t>(threadIdx.x % kWarp) + i * kWarp;
      if (s < size) f(i, s);
    }
  }
  /// Of the states of all heads in one row of a memory.
  template <class A>
  __device__ void read(const float* states, const ScanTask<A>& task, int64_t line) {
    each(task.state_size(), [&](int i, int64_t s) { x[i] = states[task.place(line, s)]; });
  }
  template <class A>
  __device__ void write(float* states, const ScanTask<A>& task, int64_t line) const {
    each(task.state_size(), [&](int i, int64_t s) { states[task.place(line, s)] = x[i]; });
  }
  /// x = keep x + factor v
  template <class A>
  __device__ void step(float keep, float factor, const A* v, int64_t size) {
    each(size, [&](int i, int64_t s) { x[i] = keep * x[i] + factor * float(v[s]); });
  }
  template <class A>
  __device__ float dot(const A* v, int64_t size) const {
    float sum = 0;
    each(size, [&](int i, int64_t s) { sum += x[i] * float(v[s]); });
    return warp_sum(sum);
  }
  __device__ float dot(const StateRow& other) const {
    float sum = 0;
    for (int i = 0; i < kColumns; ++i) sum += x[i] * other.x[i];
    return warp_sum(sum);
  }
};

}  // namespace falconer::FALCONER_GPU
