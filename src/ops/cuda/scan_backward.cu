// The gradients of the state-space scan, some chunks of one sequence at a time, the last ones first. What enters a
// chunk is kept by the forward, and what its end is worth is made here; between the two chunks are independent:
//   scan_times    d_t and f_t of each head
//   scan_exits    dx, and dL/dS behind each chunk: a warp for each row of each head's state
//   scan_rates    what times and skips get: a block for each chunk and head
//   scan_columns  dB or dC: a warp's lane has a column of the state, and goes over the rows of all heads
//   scan_totals   adds what chunks give to parameters, in their order
#include "ops/cuda/launchers.h"
#include "ops/cuda/scan_steps.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kColumnWarps = 4;
constexpr int64_t kChunk = kScanChunk;

template <class A>
struct ScanBackwardTask : ScanTask<A> {
  Mat<const A> dy;
  Mat<A> dx, ddt, db, dc;
  float *da_log, *dskip, *ddt_bias;
  Mat<const float> entries;  // of the first chunk of this pass, and on
  int64_t first_row, rows;   // of this pass
  bool last;                 // nothing of the sequence comes behind it
  // In the workspace:
  float* carried;  // (H,S,P): f_(t+1) E_(t+1) of the row behind this pass, then of its own first
  float* exits;    // (chunks, H,S,P)
  float* steps;    // (rows, H, 2): d_t, f_t
  float* totals;   // (chunks, H, 3)

  __device__ int64_t numbers() const { return this->x.cols * this->state_size(); }
  __device__ int64_t chunks() const { return (rows + kChunk - 1) / kChunk; }
  __device__ int64_t rows_of(int64_t chunk) const {
    return rows - chunk * kChunk < kChunk ? rows - chunk * kChunk : kChunk;
  }
  __device__ float delta(int64_t i, int64_t h) const { return steps[(i * this->heads() + h) * 2]; }
  __device__ float keep(int64_t i, int64_t h) const {
    return steps[(i * this->heads() + h) * 2 + 1];
  }
};

template <class A>
__global__ void scan_times_kernel(ScanBackwardTask<A> task) {
  const int64_t i = thread_number();
  if (i >= task.rows * task.heads()) return;
  const ScanTimes times(task, task.first_row + i / task.heads(), i % task.heads());
  task.steps[i * 2] = times.delta;
  task.steps[i * 2 + 1] = times.keep;
}

template <class A>
__global__ void scan_exits_kernel(ScanBackwardTask<A> task) {
  const int64_t line = thread_number() / kWarp, width = task.state_size();
  if (line >= task.x.cols) return;
  const int64_t h = line / task.head_size();
  StateRow gradient;
  if (!task.last) gradient.read(task.carried, task, line);
  for (int64_t i = task.rows - 1; i >= 0; --i) {
    if (i == task.rows - 1 || i % kChunk == kChunk - 1)
      gradient.write(task.exits + i / kChunk * task.numbers(), task, line);
    const int64_t row = task.first_row + i;
    const float dy = float(task.dy(row, line));
    gradient.step(1, dy, task.c_of(row, h), width);
    const float sum = gradient.dot(task.b_of(row, h), width);
    if (task.dx && threadIdx.x % kWarp == 0)
      task.dx(row, line) = A(task.delta(i, h) * sum + task.skip[h] * dy);
    StateRow::each(width, [&](int k, int64_t) { gradient.x[k] *= task.keep(i, h); });
  }
  gradient.write(task.carried, task, line);
}

/// Of a chunk and head, by row: f <E, S of the row before>, x . E B and x . dy, each warp's share behind the other's.
struct RateRoom {
  float decayed[kWarps][kChunk], worth[kWarps][kChunk], skipped[kWarps][kChunk];
};

/// States of a row and its gradients meet in blocks of so many rows, which are made anew from where the block begins.
constexpr int kBlock = 8;

template <class A>
__device__ inline void rates_of_line(const ScanBackwardTask<A>& task, int64_t chunk, int64_t line,
                                     RateRoom& room) {
  const int64_t width = task.state_size(), h = line / task.head_size(), count = task.rows_of(chunk);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  StateRow begins[kChunk / kBlock], before[kBlock], state, gradient;
  const auto advance = [&](int64_t t) {
    const int64_t i = chunk * kChunk + t, row = task.first_row + i;
    state.step(task.keep(i, h), task.delta(i, h) * float(task.x(row, line)), task.b_of(row, h),
               width);
  };
  state.read(task.entries.row(chunk), task, line);
  for (int64_t t = 0; t < count; ++t) {
    if (t % kBlock == 0) begins[t / kBlock] = state;
    advance(t);
  }
  gradient.read(task.exits + chunk * task.numbers(), task, line);
  for (int64_t block = (count - 1) / kBlock; block >= 0; --block) {
    const int64_t first = block * kBlock, end = count < first + kBlock ? count : first + kBlock;
    state = begins[block];
    for (int64_t t = first; t < end; ++t) {
      before[t - first] = state;
      advance(t);
    }
    for (int64_t t = end - 1; t >= first; --t) {
      const int64_t i = chunk * kChunk + t, row = task.first_row + i;
      const float x = float(task.x(row, line)), dy = float(task.dy(row, line)),
                  keep = task.keep(i, h);
      gradient.step(1, dy, task.c_of(row, h), width);
      const float worth = gradient.dot(task.b_of(row, h), width),
                  decayed = gradient.dot(before[t - first]);
      StateRow::each(width, [&](int k, int64_t) { gradient.x[k] *= keep; });
      if (threadIdx.x % kWarp != 0) continue;
      room.decayed[warp][t] += keep * decayed;
      room.worth[warp][t] += x * worth;
      room.skipped[warp][t] += x * dy;
    }
  }
}

__device__ inline float over_warps(const float (&sums)[kWarps][kChunk], int64_t t) {
  float total = 0;
  for (int warp = 0; warp < kWarps; ++warp) total += sums[warp][t];
  return total;
}

template <class A>
__global__ void scan_rates_kernel(ScanBackwardTask<A> task) {
  RateRoom& room = *reinterpret_cast<RateRoom*>(shared_memory());
  const int64_t chunk = blockIdx.x, h = blockIdx.y, size = task.head_size();
  float* all = reinterpret_cast<float*>(&room);
  for (size_t i = threadIdx.x; i < sizeof(RateRoom) / sizeof(float); i += kThreads) all[i] = 0;
  __syncthreads();
  for (int64_t p = threadIdx.x / kWarp; p < size; p += kWarps)
    rates_of_line(task, chunk, h * size + p, room);
  __syncthreads();
  if (threadIdx.x != 0) return;
  float da_log = 0, dskip = 0, dbias = 0;
  for (int64_t t = task.rows_of(chunk) - 1; t >= 0; --t) {
    const int64_t row = task.first_row + chunk * kChunk + t;
    const ScanTimes times(task, row, h);
    const float worth = over_warps(room.worth, t), decayed = over_warps(room.decayed, t);
    const float dz = (worth + times.a * decayed) * times.slope();
    if (task.ddt) task.ddt(row, h) = A(dz);
    da_log += times.a * times.delta * decayed;
    dskip += over_warps(room.skipped, t);
    dbias += dz;
  }
  float* totals = task.totals + (chunk * task.heads() + h) * 3;
  totals[0] = da_log, totals[1] = dskip, totals[2] = dbias;
}

/// dC (kBack false) of the rows from the chunk's entry on, or dB of those back from its exit.
template <class A, bool kBack>
__global__ void scan_columns_kernel(ScanBackwardTask<A> task) {
  const int64_t width = task.state_size(), size = task.head_size(),
                slices = (width + kWarp - 1) / kWarp;
  const int64_t chunk = blockIdx.x, g = blockIdx.y / slices, lane = threadIdx.x % kWarp,
                warp = threadIdx.x / kWarp;
  const int64_t s = blockIdx.y % slices * kWarp + lane, count = task.rows_of(chunk);
  float* room = reinterpret_cast<float*>(shared_memory());  // (warps, chunk, 32)
  float* mine = room + warp * kChunk * kWarp + lane;
  for (int64_t t = 0; t < count; ++t) mine[t * kWarp] = 0;
  const int64_t first = g * task.per_group() * size;
  for (int64_t line = first + warp; s < width && line < first + task.per_group() * size;
       line += kColumnWarps) {
    const int64_t h = line / size;
    float number = kBack ? task.exits[chunk * task.numbers() + task.place(line, s)]
                         : task.entries(chunk, task.place(line, s));
    for (int64_t n = 0; n < count; ++n) {
      const int64_t t = kBack ? count - 1 - n : n, i = chunk * kChunk + t, row = task.first_row + i;
      const float in = task.delta(i, h) * float(task.x(row, line)), dy = float(task.dy(row, line));
      if (kBack) {
        number += dy * float(task.c_of(row, h)[s]);
        mine[t * kWarp] += in * number;
        number *= task.keep(i, h);
      } else {
        number = task.keep(i, h) * number + in * float(task.b_of(row, h)[s]);
        mine[t * kWarp] += dy * number;
      }
    }
  }
  __syncthreads();
  if (s >= width) return;
  for (int64_t t = warp; t < count; t += kColumnWarps) {
    float total = 0;
    for (int from = 0; from < kColumnWarps; ++from)
      total += room[(from * kChunk + t) * kWarp + lane];
    (kBack ? task.db : task.dc)(task.first_row + chunk * kChunk + t, g * width + s) = A(total);
  }
}

template <class A>
__global__ void scan_totals_kernel(ScanBackwardTask<A> task) {
  const int64_t i = thread_number(), h = i / 3;
  if (h >= task.heads()) return;
  float* out = i % 3 == 0 ? task.da_log : i % 3 == 1 ? task.dskip : task.ddt_bias;
  if (out == nullptr) return;
  float total = 0;
  for (int64_t chunk = 0; chunk < task.chunks(); ++chunk)
    total += task.totals[chunk * task.heads() * 3 + i];
  out[h] += total;
}

template <class A>
void queue_pass(Device* device, const ScanBackwardTask<A>& t, int64_t heads, int64_t chunks) {
  const int64_t width = t.b.cols / t.groups;
  launch(device, scan_times_kernel<A>,
         {.x = blocks_of(t.rows * heads, kThreads), .threads = kThreads}, t);
  launch(device, scan_exits_kernel<A>,
         {.x = blocks_of(t.x.cols * kWarp, kThreads), .threads = kThreads}, t);
  launch(device, scan_rates_kernel<A>,
         {.x = chunks, .y = heads, .threads = kThreads, .shared = sizeof(RateRoom)}, t);
  const Shape columns{.x = chunks,
                      .y = t.groups * blocks_of(width, kWarp),
                      .threads = kColumnWarps * kWarp,
                      .shared = kColumnWarps * kChunk * kWarp * sizeof(float)};
  if (t.dc) launch(device, scan_columns_kernel<A, false>, columns, t);
  if (t.db) launch(device, scan_columns_kernel<A, true>, columns, t);
  launch(device, scan_totals_kernel<A>, {.x = blocks_of(heads * 3, kThreads), .threads = kThreads},
         t);
}

/// Places what a pass keeps in the workspace; gives how many chunks it has.
template <class A>
int64_t plan_room(Device* device, int64_t heads, int64_t numbers, ScanBackwardTask<A>& t) {
  float* const room = reinterpret_cast<float*>(device->workspace());
  const int64_t all = static_cast<int64_t>(Device::kWorkspaceBytes / sizeof(float)) - numbers;
  const int64_t of_chunk = numbers + kChunk * heads * 2 + heads * 3;
  // Beyond some of each processor more would not be faster.
  const int64_t chunks = std::min<int64_t>(all / of_chunk, int64_t{4} * device->processors());
  if (chunks < 1)
    fail_on_device(device->name(), "its workspace is too small for this state-space model");
  t.carried = room;
  t.exits = t.carried + numbers;
  t.steps = t.exits + chunks * numbers;
  t.totals = t.steps + chunks * kChunk * heads * 2;
  return chunks;
}

template <class A>
void backward(const ScanBackward& a) {
  Device* device = a.dy.device;
  ScanBackwardTask<A> t{scan_task<A>(a)};
  t.dy = on_gpu<const A>(a.dy);
  t.dx = on_gpu<A>(a.dx), t.ddt = on_gpu<A>(a.ddt), t.db = on_gpu<A>(a.db), t.dc = on_gpu<A>(a.dc);
  t.da_log = on_gpu<float>(a.da_log).data;
  t.dskip = on_gpu<float>(a.dd).data;
  t.ddt_bias = on_gpu<float>(a.ddt_bias).data;
  const int64_t heads = a.dt.cols, at_once = plan_room(device, heads, a.entries.cols, t);
  int64_t first_chunk = 0;
  for (const StateSpan& span : a.spans) {
    const int64_t chunks = scan_chunks({&span, 1});
    for (int64_t end = chunks; end > 0; end = std::max<int64_t>(0, end - at_once)) {
      const int64_t begin = std::max<int64_t>(0, end - at_once);
      t.entries = on_gpu<const float>(a.entries.row_range(first_chunk + begin, end - begin));
      t.first_row = span.begin + begin * kChunk;
      t.rows = std::min(span.count, end * kChunk) - begin * kChunk;
      t.last = end == chunks;
      queue_pass(device, t, heads, end - begin);
    }
    first_chunk += chunks;
  }
}

}  // namespace

void scan_backward(const ScanBackward& a) {
  with_type(a.dy.dtype, [&]<class A>(Type<A>) { backward<A>(a); });
}

}  // namespace falconer::FALCONER_GPU
