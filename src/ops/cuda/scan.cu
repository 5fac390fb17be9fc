// The state-space scan: the recurrence step by step, a warp for each row of each head's state.
#include "ops/cuda/launchers.h"
#include "ops/cuda/scan_steps.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kThreads = 256;

template <class A>
__global__ void scan_forward_kernel(ScanTask<A> task, const StateSpan* spans, Mat<A> y,
                                    Mat<float> states, Mat<float> entries) {
  const int64_t line = thread_number() / kWarp, size = task.head_size(), width = task.state_size();
  if (line >= task.x.cols) return;
  const int64_t h = line / size;
  const StateSpan span = spans[blockIdx.y];
  int64_t chunk = 0;
  for (unsigned i = 0; i < blockIdx.y; ++i) chunk += (spans[i].count + kScanChunk - 1) / kScanChunk;
  StateRow state;
  if (span.continues()) state.read(states.row(span.slot), task, line);
  for (int64_t t = 0; t < span.count; ++t) {
    const int64_t row = span.begin + t;
    if (span.copy_slot >= 0 && t == span.copy_after)
      state.write(states.row(span.copy_slot), task, line);
    if (entries && t % kScanChunk == 0)
      state.write(entries.row(chunk + t / kScanChunk), task, line);
    const ScanTimes times(task, row, h);
    const float x = float(task.x(row, line));
    state.step(times.keep, times.delta * x, task.b_of(row, h), width);
    if (!y) continue;
    const float sum = state.dot(task.c_of(row, h), width);
    if (threadIdx.x % kWarp == 0) y(row, line) = A(sum + task.skip[h] * x);
  }
  if (span.copy_slot >= 0 && span.copy_after == span.count)
    state.write(states.row(span.copy_slot), task, line);
  if (span.slot >= 0) state.write(states.row(span.slot), task, line);
}

}  // namespace

void scan_forward(const ScanForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    launch(a.x.device, scan_forward_kernel<A>,
           {.x = blocks_of(a.x.cols * kWarp, kThreads),
            .y = static_cast<int64_t>(a.spans.size()),
            .threads = kThreads},
           scan_task<A>(a), staged_spans(a.x.device, a.spans), on_gpu<A>(a.y),
           on_gpu<float>(a.states), on_gpu<float>(a.entries));
  });
}

}  // namespace falconer::FALCONER_GPU
