// Layer normalisation: a block for each row. That by the root mean square: a block for each head.
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kThreads = 256;
constexpr size_t kRoom = kThreads / kWarp * sizeof(float);

template <class A>
__global__ void norm_forward_kernel(Mat<const A> x, const float* w, const float* b, Mat<A> y,
                                    Mat<float> stats, float eps) {
  float* room = reinterpret_cast<float*>(shared_memory());
  const int64_t n = blockIdx.x;
  const A* row = x.row(n);
  const float count = static_cast<float>(x.cols);
  float sum = 0;
  for (int64_t c = threadIdx.x; c < x.cols; c += blockDim.x) sum += float(row[c]);
  const float mean = block_sum(sum, room) / count;
  sum = 0;
  for (int64_t c = threadIdx.x; c < x.cols; c += blockDim.x) {
    const float d = float(row[c]) - mean;
    sum += d * d;
  }
  const float rstd = 1.0f / sqrtf(block_sum(sum, room) / count + eps);
  for (int64_t c = threadIdx.x; c < x.cols; c += blockDim.x)
    y(n, c) = A((float(row[c]) - mean) * rstd * w[c] + (b != nullptr ? b[c] : 0.0f));
  if (threadIdx.x != 0) return;
  stats(n, 0) = mean;
  stats(n, 1) = rstd;
}

template <class A>
__global__ void norm_backward_kernel(Mat<const A> x, const float* w, Mat<const float> stats,
                                     Mat<const A> dy, Mat<A> dx_add) {
  float* room = reinterpret_cast<float*>(shared_memory());
  const int64_t n = blockIdx.x;
  const float mean = stats(n, 0), rstd = stats(n, 1), count = static_cast<float>(x.cols);
  float sum_d = 0, sum_dh = 0;
  for (int64_t c = threadIdx.x; c < x.cols; c += blockDim.x) {
    const float d = float(dy(n, c)) * w[c];
    sum_d += d;
    sum_dh += d * (float(x(n, c)) - mean) * rstd;
  }
  const float mean_d = block_sum(sum_d, room) / count;
  const float mean_dh = block_sum(sum_dh, room) / count;
  for (int64_t c = threadIdx.x; c < x.cols; c += blockDim.x) {
    const float h = (float(x(n, c)) - mean) * rstd;
    const float d = float(dy(n, c)) * w[c];
    A& out = dx_add(n, c);
    out = A(float(out) + rstd * (d - mean_d - h * mean_dh));
  }
}

template <class A>
__global__ void rms_forward_kernel(HeadsMat<const A> x, const float* w, HeadsMat<A> y,
                                   Mat<float> stats, float eps, float offset) {
  float* room = reinterpret_cast<float*>(shared_memory());
  const int64_t n = blockIdx.x / stats.cols, h = blockIdx.x % stats.cols;
  const A* from = x.head(n, h);
  A* to = y.head(n, h);
  float sum = 0;
  for (int64_t c = threadIdx.x; c < x.size; c += blockDim.x) sum += float(from[c]) * float(from[c]);
  const float r = 1.0f / sqrtf(block_sum(sum, room) / static_cast<float>(x.size) + eps);
  for (int64_t c = threadIdx.x; c < x.size; c += blockDim.x)
    to[c] = A(float(from[c]) * r * (offset + w[c]));
  if (threadIdx.x == 0) stats(n, h) = r;
}

template <class A>
__global__ void rms_backward_kernel(HeadsMat<const A> x, const float* w, Mat<const float> stats,
                                    HeadsMat<const A> dy, HeadsMat<A> dx, float offset, bool add) {
  float* room = reinterpret_cast<float*>(shared_memory());
  const int64_t n = blockIdx.x / stats.cols, h = blockIdx.x % stats.cols;
  const A *own = x.head(n, h), *d_out = dy.head(n, h);
  A* to = dx.head(n, h);
  const float r = stats(n, h);
  float sum = 0;
  for (int64_t c = threadIdx.x; c < x.size; c += blockDim.x)
    sum += float(d_out[c]) * (offset + w[c]) * float(own[c]) * r;
  const float mean_dh = block_sum(sum, room) / static_cast<float>(x.size);
  for (int64_t c = threadIdx.x; c < x.size; c += blockDim.x) {
    const float d = float(d_out[c]) * (offset + w[c]);
    const float own_dx = r * (d - float(own[c]) * r * mean_dh);
    to[c] = A(add ? float(to[c]) + own_dx : own_dx);
  }
}

/// A block for each head: a warp where heads are small.
Shape head_blocks(const Heads& x) {
  const int64_t warps = std::clamp<int64_t>(blocks_of(x.size, 4 * kWarp), 1, kThreads / kWarp);
  return {
      .x = x.rows.rows * x.count(), .threads = static_cast<int>(warps) * kWarp, .shared = kRoom};
}

}  // namespace

void rms_norm_forward(const RmsNormForward& a) {
  FALCONER_CHECK(a.w.contiguous());
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    launch(a.y.rows.device, rms_forward_kernel<A>, head_blocks(a.x), on_gpu<const A>(a.x),
           on_gpu<const float>(a.w).data, on_gpu<A>(a.y), on_gpu<float>(a.stats), a.eps, a.offset);
  });
}

void rms_norm_backward_x(const RmsNormBackward& a) {
  FALCONER_CHECK(a.w.contiguous());
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    launch(a.dx.rows.device, rms_backward_kernel<A>, head_blocks(a.x), on_gpu<const A>(a.x),
           on_gpu<const float>(a.w).data, on_gpu<const float>(a.stats), on_gpu<const A>(a.dy),
           on_gpu<A>(a.dx), a.offset, a.add_dx);
  });
}

void rms_norm_backward_w(const RmsNormBackward& a) { add_rms_products(a.dy, a.x, a.stats, a.dw); }

void norm_forward(const NormForward& a) {
  FALCONER_CHECK(a.w.contiguous() && (!a.b || a.b.contiguous()));
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    launch(a.y.device, norm_forward_kernel<A>,
           {.x = a.x.rows, .threads = kThreads, .shared = kRoom}, on_gpu<const A>(a.x),
           on_gpu<const float>(a.w).data, on_gpu<const float>(a.b).data, on_gpu<A>(a.y),
           on_gpu<float>(a.stats), a.eps);
  });
}

void norm_backward_x(const NormBackward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    launch(a.dx_add.device, norm_backward_kernel<A>,
           {.x = a.x.rows, .threads = kThreads, .shared = kRoom}, on_gpu<const A>(a.x),
           on_gpu<const float>(a.w).data, on_gpu<const float>(a.stats), on_gpu<const A>(a.dy),
           on_gpu<A>(a.dx_add));
  });
}

void norm_backward_w(const NormBackward& a) {
  if (a.dw) add_norm_products(a.dy, a.x, a.stats, a.dw);
  if (a.db) add_columns(a.dy, a.db);
}

}  // namespace falconer::FALCONER_GPU
