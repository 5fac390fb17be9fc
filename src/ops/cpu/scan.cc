#include "ops/cpu/scan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/scan.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "ops/cpu/scan_chunk-inl.h"

#ifndef FALCONER_OPS_CPU_SCAN_TASK_
#define FALCONER_OPS_CPU_SCAN_TASK_
namespace falconer::cpu {

/// One head of some chunks of a span. `groups`: what is made of these chunks; `carried`: the states of all heads between
/// rounds.
struct HeadTask {
  const ScanForward& args;
  const ScanSegment& segment;
  int64_t h;
  float *groups, *carried;
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

void group_chunk(const ScanForward& args, ScanRows rows, int64_t g, float* out) {
  const ScanSizes z(args);
  make_group_chunk(args.b, args.c, z, rows, g, GroupChunk(out, z));
}

/// The state where the span begins.
void begin_state(const HeadTask& task, const ScanSizes& z, float* state) {
  const StateSpan& span = *task.segment.span;
  if (span.continues())
    load_state(task.args.states.row<float>(span.slot) + task.h * z.numbers(), z, state);
  else
    std::fill(state, state + z.state(), 0.0f);
}

void keep_state(const HeadTask& task, const ScanSizes& z, const float* state, const View& to,
                int64_t row) {
  store_state(state, z, to.row<float>(row) + task.h * z.numbers());
}

/// Room of a chunk: x (chunk, P), y (chunk, P), the decayed scores (s, t).
struct ForwardRoom {
  float *state, *x, *y, *scores;
  static ForwardRoom mine(const ScanSizes& z) {
    thread_local FloatRoom room;
    room.reserve(z.state() + kChunk * (2 * z.row() + kChunk));
    return {room.take(z.state()), room.take(kChunk * z.row()), room.take(kChunk * z.row()),
            room.take(kChunk * kChunk)};
  }
};

/// y of a chunk, of which room.x is there.
void chunk_y(const HeadTask& task, const ScanSizes& z, ScanRows rows, const GroupChunk& group,
             const HeadTimes& times, const ForwardRoom& room) {
  const int64_t count = rows.count, stride = z.row();
  for (int64_t s = 0; s < count; ++s) {
    const VecF delta = hn::Set(F32(), times.delta[s]);
    float* const out = room.scores + s * kChunk;
    const float* const scores = group.scores + s * kChunk;
    for_later(s, count, out, [&](int64_t at) {
      store(hn::Mul(hn::Mul(load(scores + at), decay(times, s, at)), delta), out + at);
    });
  }
  chunk_product(count, stride, z.width, {group.c, z.wide(), 1}, {room.state, stride}, 0, room.y,
                stride);
  scale_rows(room.y, count, stride, times.from_entry);
  chunk_product(count, stride, count, {room.scores, 1, kChunk, Steps::kToRow}, {room.x, stride}, 1,
                room.y, stride);
  const VecF skip = hn::Set(F32(), task.args.d.row<float>(0)[task.h]);
  for (int64_t i = 0; i < count * stride; i += lanes())
    store(hn::MulAdd(skip, load(room.x + i), load(room.y + i)), room.y + i);
  store_rows(room.y, stride, task.args.y, rows, task.h * z.size, z.size);
}

/// y of a chunk, where it is wanted, and the state behind it where `further`.
void forward_chunk(const HeadTask& task, const ScanSizes& z, ScanRows rows, const GroupChunk& group,
                   bool further, const ForwardRoom& room) {
  const int64_t count = rows.count, stride = z.row();
  HeadTimes times;
  make_times(task.args, rows, task.h, times);
  load_rows(task.args.x, rows, task.h * z.size, z.size, room.x, stride);
  if (task.args.y) chunk_y(task, z, rows, group, times, room);
  if (!further) return;
  for (int64_t t = 0; t < count; ++t) times.to_exit[t] *= times.delta[t];
  scale_rows(room.x, count, stride, times.to_exit);
  chunk_product(z.width, stride, count, {group.b, 1, z.wide()}, {room.x, stride}, times.whole,
                room.state, stride);
}

void forward_head(const HeadTask& task) {
  const ScanSizes z(task.args);
  const ScanSegment& segment = task.segment;
  const StateSpan& span = *segment.span;
  const ForwardRoom room = ForwardRoom::mine(z);
  float* const carried = task.carried + task.h * z.state();
  if (segment.begins())
    begin_state(task, z, room.state);
  else
    std::copy_n(carried, z.state(), room.state);
  for (int64_t chunk = 0; chunk < segment.chunks; ++chunk) {
    if (span.copy_slot >= 0 && span.copy_after == (segment.first + chunk) * kChunk)
      keep_state(task, z, room.state, task.args.states, span.copy_slot);
    if (task.args.entries)
      keep_state(task, z, room.state, task.args.entries, segment.entry + chunk);
    // A state behind the last chunk is for those who keep it.
    const bool further =
        chunk + 1 < segment.chunks || !segment.ends() || span.slot >= 0 || span.copy_slot >= 0;
    const int64_t place = (segment.room + chunk) * z.groups + task.h / z.per_group();
    const GroupChunk group(task.groups + place * GroupChunk::floats(z), z);
    forward_chunk(task, z, segment.rows(chunk), group, further, room);
  }
  if (!segment.ends()) {
    std::copy_n(room.state, z.state(), carried);
    return;
  }
  if (span.copy_slot >= 0 && span.copy_after == span.count)
    keep_state(task, z, room.state, task.args.states, span.copy_slot);
  if (span.slot >= 0) keep_state(task, z, room.state, task.args.states, span.slot);
}

/// The state of V vectors of a head in one row, and their y: where it lies, read and written once.
template <int V, class A>
HWY_INLINE void step_columns(const A* b, const A* c, const VecF* in, VecF keep, int64_t width,
                             float* state, int64_t stride, VecF* y) {
  const F32 d;
  for (int64_t s = 0; s < width; ++s, state += stride) {
    const VecF b_s = hn::Set(d, static_cast<float>(b[s])),
               c_s = hn::Set(d, static_cast<float>(c[s]));
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* const at = state + v * lanes();
      const VecF next = hn::MulAdd(b_s, in[v], hn::Mul(keep, load(at)));
      store(next, at);
      y[v] = hn::MulAdd(c_s, next, y[v]);
    }
  }
}

template <int V, class A>
HWY_INLINE void step_vectors(const HeadTask& task, const ScanSizes& z, const A* b, const A* c,
                             float delta, float keep, int64_t first, float* state, int64_t stride) {
  const F32 d;
  const A* x = task.args.x.row<A>(task.segment.span->begin) + task.h * z.size + first;
  A* out = task.args.y.row<A>(task.segment.span->begin) + task.h * z.size + first;
  const VecF skip = hn::Set(d, task.args.d.row<float>(0)[task.h]);
  VecF in[V], y[V];
  const int64_t count = std::min(V * lanes(), z.size - first);
  for (int v = 0; v < V; ++v) {
    const VecF number = V > 1 || count == lanes() ? load(x + v * lanes()) : load_some(x, count);
    in[v] = hn::Mul(hn::Set(d, delta), number);
    y[v] = hn::Mul(skip, number);
  }
  step_columns<V>(b, c, in, hn::Set(d, keep), z.width, state + first, stride, y);
  for (int v = 0; v < V; ++v) {
    if (V > 1 || count == lanes())
      store(y[v], out + v * lanes());
    else
      store_some(y[v], out, count);
  }
}

/// A span of one row: the recurrence itself.
void step_head(const HeadTask& task) {
  const ScanSizes z(task.args);
  const StateSpan& span = *task.segment.span;
  // In place where rows of a state are whole vectors.
  const bool in_place =
      span.continues() && span.copy_slot < 0 && !task.args.entries && z.size % lanes() == 0;
  const ForwardRoom room = ForwardRoom::mine(z);
  float* state = room.state;
  if (in_place)
    state = task.args.states.row<float>(span.slot) + task.h * z.numbers();
  else
    begin_state(task, z, state);
  const int64_t stride = in_place ? z.size : z.row();
  if (task.args.entries) keep_state(task, z, state, task.args.entries, task.segment.entry);
  if (span.copy_slot >= 0 && span.copy_after == 0)
    keep_state(task, z, state, task.args.states, span.copy_slot);
  if (!task.args.y) return;
  HeadTimes times;
  make_times(task.args, {span.begin, 1}, task.h, times);
  with_type(task.args.x.dtype, [&]<class A>(Type<A>) {
    const int64_t g = task.h / z.per_group();
    const A* b = task.args.b.row<A>(span.begin) + g * z.width;
    const A* c = task.args.c.row<A>(span.begin) + g * z.width;
    int64_t at = 0;
    for (; at + 4 * lanes() <= z.size; at += 4 * lanes())
      step_vectors<4, A>(task, z, b, c, times.delta[0], times.whole, at, state, stride);
    for (; at < z.size; at += lanes())
      step_vectors<1, A>(task, z, b, c, times.delta[0], times.whole, at, state, stride);
  });
  if (in_place) return;
  if (span.copy_slot >= 0 && span.copy_after == 1)
    keep_state(task, z, state, task.args.states, span.copy_slot);
  if (span.slot >= 0) keep_state(task, z, state, task.args.states, span.slot);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"

namespace falconer::cpu {

HWY_EXPORT(group_chunk);
HWY_EXPORT(forward_head);
HWY_EXPORT(step_head);

namespace {

/// Spans of one row, whatever stands beside them.
void all_steps(const ScanForward& args, const std::vector<ScanSegment>& steps) {
  const int64_t heads = args.dt.cols;
  parallel_for(std::ssize(steps) * heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const ScanSegment& step = steps[static_cast<size_t>(i / heads)];
      const HeadTask task{args, step, i % heads, nullptr, nullptr};
      HWY_DYNAMIC_DISPATCH(step_head)(task);
    }
  });
}

}  // namespace

void scan_forward(const ScanForward& args) {
  const ScanSizes z(args);
  const auto is_step = [&](const StateSpan& span) { return span.count == 1 && !args.as_many; };
  std::vector<ScanSegment> steps;
  int64_t entry = 0;
  for (const StateSpan& span : args.spans) {
    if (is_step(span)) steps.push_back({&span, 0, 1, entry, 0});
    entry += scan_chunks({&span, 1});
  }
  all_steps(args, steps);
  if (steps.size() == args.spans.size()) return;
  FloatRoom room;
  const int64_t each = GroupChunk::floats(z), groups = kScanRound * z.groups * each;
  room.reserve(groups + z.heads * z.state());
  float* const made = room.take(groups);
  float* const carried = room.take(z.heads * z.state());
  for_rounds(
      args.spans, false, [&](const StateSpan& span) { return !is_step(span); },
      [&](const ScanRound& round) {
        parallel_for(std::ssize(round.chunks) * z.groups, 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const ScanRows& rows = round.chunks[static_cast<size_t>(i / z.groups)];
            HWY_DYNAMIC_DISPATCH(group_chunk)(args, rows, i % z.groups, made + i * each);
          }
        });
        parallel_for(std::ssize(round.segments) * z.heads, 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const ScanSegment& segment = round.segments[static_cast<size_t>(i / z.heads)];
            const HeadTask task{args, segment, i % z.heads, made, carried};
            HWY_DYNAMIC_DISPATCH(forward_head)(task);
          }
        });
      });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
