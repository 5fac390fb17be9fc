// A causal convolution of each channel, then SiLU: a thread for each number. The sums over rows: a block for 32
// channels, whose warps take rows in turns and are added in order.
#include "ops/cuda/launchers.h"
#include "ops/cuda/spans.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kMostTaps = 8;

template <class A>
struct ConvTask {
  Mat<const A> x;
  Mat<const float> w;
  const float* b;
  Mat<A> tails;
  const StateSpan* spans;

  __device__ int64_t taps() const { return w.cols; }
  /// x of row t of a span, which may be one of the taps() - 1 before it.
  __device__ float at(const StateSpan& span, int64_t t, int64_t c) const {
    if (t >= 0) return float(x(span.begin + t, c));
    return span.continues() ? float(tails(span.slot, (taps() - 1 + t) * x.cols + c)) : 0.0f;
  }
  __device__ float sum(const StateSpan& span, int64_t t, int64_t c) const {
    float a = b != nullptr ? b[c] : 0.0f;
    for (int64_t k = 0; k < taps(); ++k) a += w(c, k) * at(span, t - taps() + 1 + k, c);
    return a;
  }
};

template <class A>
struct ConvBackwardTask : ConvTask<A> {
  Mat<const A> dy;
  Mat<A> dx;
  Mat<float> dw;
  float* db;
  int64_t span_count;

  /// e_tc of ops/conv1d.h.
  __device__ float slope(const StateSpan& span, int64_t t, int64_t c) const {
    const float a = this->sum(span, t, c), s = 1.0f / (1.0f + expf(-a));
    return float(dy(span.begin + t, c)) * s * (1.0f + a * (1.0f - s));
  }
};

template <class A>
__global__ void conv_forward_kernel(ConvTask<A> task, Mat<A> y) {
  const StateSpan span = task.spans[blockIdx.y];
  const int64_t t = thread_number() / y.cols, c = thread_number() - t * y.cols;
  if (t >= span.count) return;
  const float a = task.sum(span, t, c);
  y(span.begin + t, c) = A(a / (1.0f + expf(-a)));
}

// Oldest first: what is written was read before.
template <class A>
__device__ inline void write_tail(const ConvTask<A>& task, const StateSpan& span, int64_t rows,
                                  int64_t slot, int64_t c) {
  if (slot < 0) return;
  for (int64_t j = 0; j < task.taps() - 1; ++j)
    task.tails(slot, j * task.x.cols + c) = A(task.at(span, rows - task.taps() + 1 + j, c));
}

template <class A>
__global__ void conv_tails_kernel(ConvTask<A> task) {
  const StateSpan span = task.spans[blockIdx.y];
  const int64_t c = thread_number();
  if (c >= task.x.cols) return;
  write_tail(task, span, span.copy_after, span.copy_slot, c);
  write_tail(task, span, span.count, span.slot, c);
}

template <class A>
__global__ void conv_dx_kernel(ConvBackwardTask<A> task) {
  const StateSpan span = task.spans[blockIdx.y];
  const int64_t t = thread_number() / task.dx.cols, c = thread_number() - t * task.dx.cols;
  if (t >= span.count) return;
  float sum = 0;
  for (int64_t k = 0; k < task.taps(); ++k)
    if (const int64_t later = t + task.taps() - 1 - k; later < span.count)
      sum += task.w(c, k) * task.slope(span, later, c);
  task.dx(span.begin + t, c) = A(sum);
}

template <class A>
__global__ void conv_sums_kernel(ConvBackwardTask<A> task) {
  float* room = reinterpret_cast<float*>(shared_memory());  // (warps, taps + 1, 32)
  const int64_t lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, taps = task.taps();
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kWarp + lane;
  float sums[kMostTaps + 1] = {};
  for (int64_t i = 0; i < task.span_count && c < task.x.cols; ++i) {
    const StateSpan span = task.spans[i];
    for (int64_t t = warp; t < span.count; t += kWarps) {
      const float e = task.slope(span, t, c);
      for (int k = 0; k < kMostTaps; ++k)
        if (k < taps) sums[k] += e * task.at(span, t - taps + 1 + k, c);
      sums[kMostTaps] += e;
    }
  }
  for (int k = 0; k <= kMostTaps; ++k) room[(warp * (kMostTaps + 1) + k) * kWarp + lane] = sums[k];
  __syncthreads();
  if (warp != 0 || c >= task.x.cols) return;
  for (int k = 0; k <= kMostTaps; ++k) {
    float total = 0;
    for (int from = 0; from < kWarps; ++from)
      total += room[(from * (kMostTaps + 1) + k) * kWarp + lane];
    if (k < taps && task.dw) task.dw(c, k) += total;
    if (k == kMostTaps && task.db != nullptr) task.db[c] += total;
  }
}

template <class A, class Args>
ConvTask<A> task_of(const Args& a, const View& tails) {
  return {on_gpu<const A>(a.x), on_gpu<const float>(a.w), on_gpu<const float>(a.b).data,
          on_gpu<A>(tails), staged_spans(a.x.device, a.spans)};
}

/// A thread for each number of the longest span, and a layer of blocks for each span.
Shape shape_of(std::span<const StateSpan> spans, int64_t numbers) {
  return {.x = blocks_of(numbers, kThreads),
          .y = static_cast<int64_t>(spans.size()),
          .threads = kThreads};
}

}  // namespace

void conv1d_forward(const Conv1dForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    const ConvTask<A> task = task_of<A>(a, a.tails);
    launch(a.x.device, conv_forward_kernel<A>, shape_of(a.spans, longest(a.spans) * a.x.cols), task,
           on_gpu<A>(a.y));
    if (a.tails) launch(a.x.device, conv_tails_kernel<A>, shape_of(a.spans, a.x.cols), task);
  });
}

void conv1d_backward(const Conv1dBackward& a) {
  FALCONER_CHECK(a.w.cols <= kMostTaps);
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    ConvBackwardTask<A> task{task_of<A>(a, {})};
    task.dy = on_gpu<const A>(a.dy);
    task.dx = on_gpu<A>(a.dx);
    task.dw = on_gpu<float>(a.dw);
    task.db = on_gpu<float>(a.db).data;
    task.span_count = static_cast<int64_t>(a.spans.size());
    if (a.dx)
      launch(a.x.device, conv_dx_kernel<A>, shape_of(a.spans, longest(a.spans) * a.x.cols), task);
    if (!a.dw && !a.db) return;
    launch(a.x.device, conv_sums_kernel<A>,
           {.x = blocks_of(a.x.cols, kWarp),
            .threads = kThreads,
            .shared = kThreads * (kMostTaps + 1) * sizeof(float)},
           task);
  });
}

}  // namespace falconer::FALCONER_GPU
