#include <hwy/aligned_allocator.h>

#include "ops/cpu/scan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/scan_backward.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "ops/cpu/scan_chunk-inl.h"

#ifndef FALCONER_OPS_CPU_SCAN_BACKWARD_TASK_
#define FALCONER_OPS_CPU_SCAN_BACKWARD_TASK_
namespace falconer::cpu {

/// The heads of a group are summed in so many parts, whatever the threads.
constexpr int64_t kHeadParts = 8;
/// Chunks of a sequence between which threads wait for each other.
constexpr int64_t kWindow = 4;

/// Some chunks of one span: `chunks` of them from `first` on, counted in the span, whose first is `entry` of entries.
struct ScanWindow {
  const ScanBackward& args;
  const StateSpan& span;
  int64_t first, chunks, entry;
  float *groups, *sums,
      *carried;  // (chunks, G), (chunks, G, parts), and for each head dL/dS behind the window

  ScanRows rows(int64_t chunk) const {
    const int64_t done = (first + chunk) * kScanChunk;
    return {span.begin + done, std::min(kScanChunk, span.count - done)};
  }
  bool ends_span(int64_t chunk) const { return (first + chunk + 1) * kScanChunk >= span.count; }
  GroupChunk group(const ScanSizes& z, int64_t chunk, int64_t g) const {
    return {groups + (chunk * z.groups + g) * GroupChunk::floats(z), z};
  }
  GroupSums sum(const ScanSizes& z, int64_t chunk, int64_t g, int64_t part) const {
    return {sums + ((chunk * z.groups + g) * kHeadParts + part) * GroupSums::floats(z), z};
  }
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Of one head in one chunk. x, dy and eb (E_t B_t) are (chunk, P); turned ones (P, chunk); k (dy x', then with scores)
/// and scores (chunk, chunk), row s and column t; through is (S, chunk).
struct BackwardRoom {
  float *entry, *x, *dy, *x_turned, *dy_turned, *eb, *k, *scores, *through;
  static BackwardRoom mine(const ScanSizes& z) {
    thread_local FloatRoom room;
    const int64_t rows = kChunk * z.row(), square = kChunk * kChunk;
    room.reserve(z.state() + 5 * rows + 2 * square + kChunk * z.width);
    return {room.take(z.state()), room.take(rows),   room.take(rows),
            room.take(rows),      room.take(rows),   room.take(rows),
            room.take(square),    room.take(square), room.take(kChunk * z.width)};
  }
};

/// By row: x . E B, its part that goes through the chunk's end, x . dy, and f <E, S of the row before>.
struct Rates {
  alignas(64) float worth[kChunk];
  alignas(64) float leaving[kChunk];
  alignas(64) float skipped[kChunk];
  alignas(64) float decayed[kChunk];
};

struct HeadChunk {
  const ScanWindow& window;
  const ScanSizes& z;
  ScanRows rows;
  int64_t h;
  const GroupChunk& group;
  const GroupSums& to;
  float* carried;
  bool ends;  // the span: nothing is carried in
  const HeadTimes& times;
  const BackwardRoom& room;
  Rates& rates;
};

HWY_INLINE float dot_row(const float* a, const float* b, int64_t n) {
  return sum_of(n, [&](int64_t at, auto access) { return hn::Mul(access(a, at), access(b, at)); });
}

/// What B C' gets of this head; scores becomes B C' decayed, and `decayed` what pairs of rows say of the decays between.
void pairs_of_rows(const HeadChunk& u) {
  const int64_t count = u.rows.count, cols = padded_row(count);
  const BackwardRoom& room = u.room;
  chunk_product(count, cols, u.z.size, {room.x, u.z.row(), 1}, {room.dy_turned, kChunk}, 0, room.k,
                kChunk);
  alignas(64) float earlier[kChunk] = {};  // by row t, the sum over rows before s
  const F32 d;
  for (int64_t s = 0; s < count; ++s) {
    const VecF delta = hn::Set(d, u.times.delta[s]);
    const float* const scores = u.group.scores + s * kChunk;
    float* const sums = u.to.scores + s * kChunk;
    VecF over = hn::Zero(d);
    for_later(s, count, room.scores + s * kChunk, [&](int64_t at) {
      const VecF before = load(earlier + at), e = decay(u.times, s, at);
      const VecF row = hn::Iota(d, static_cast<float>(at)),
                 from = hn::Set(d, static_cast<float>(s));
      over = hn::Add(over, hn::IfThenElseZero(hn::Ge(row, from), before));
      const VecF score = hn::Mul(load(scores + at), e),
                 k = hn::Mul(load(room.k + s * kChunk + at), delta);
      store(score, room.scores + s * kChunk + at);
      store(hn::MulAdd(k, e, load(sums + at)), sums + at);
      store(hn::MulAdd(k, score, before), earlier + at);
    });
    u.rates.decayed[s] = hn::GetLane(hn::SumOfLanes(d, over));
  }
}

/// dx, and what rows say of times and skips.
void rows_of_x(const HeadChunk& u) {
  const int64_t count = u.rows.count, stride = u.z.row();
  const BackwardRoom& room = u.room;
  if (u.ends) {
    std::fill(room.eb, room.eb + count * stride, 0.0f);
  } else {
    chunk_product(count, stride, u.z.width, {u.group.b, u.z.wide(), 1}, {u.carried, stride}, 0,
                  room.eb, stride);
    scale_rows(room.eb, count, stride, u.times.to_exit);
  }
  for (int64_t t = 0; t < count; ++t)
    u.rates.leaving[t] =
        u.times.delta[t] * dot_row(room.x + t * stride, room.eb + t * stride, stride);
  chunk_product(count, stride, count, {room.scores, kChunk, 1, Steps::kFromRow}, {room.dy, stride},
                1, room.eb, stride);
  const VecF skip = hn::Set(F32(), u.window.args.d.row<float>(0)[u.h]);
  for (int64_t t = 0; t < count; ++t) {
    float* const eb = room.eb + t * stride;
    const float *const x = room.x + t * stride, *const dy = room.dy + t * stride;
    u.rates.worth[t] = dot_row(x, eb, stride);
    u.rates.skipped[t] = dot_row(x, dy, stride);
    const VecF delta = hn::Set(F32(), u.times.delta[t]);
    for (int64_t at = 0; at < stride; at += lanes())
      store(hn::MulAdd(delta, load(eb + at), hn::Mul(skip, load(dy + at))), eb + at);
  }
  if (u.window.args.dx)
    store_rows(room.eb, stride, u.window.args.dx, u.rows, u.h * u.z.size, u.z.size);
}

/// dB and dC of what goes through the states that enter and leave the chunk, and what that says of its decays.
void through_states(const HeadChunk& u) {
  const int64_t count = u.rows.count, cols = padded_row(count), stride = u.z.row();
  const BackwardRoom& room = u.room;
  alignas(64) float entered[kChunk] = {};
  chunk_product(u.z.width, cols, u.z.size, {room.entry, stride, 1}, {room.dy_turned, kChunk}, 0,
                room.through, kChunk);
  for (int64_t at = 0; at < cols; at += lanes()) {
    const VecF factor = load(u.times.from_entry + at);
    VecF sum = hn::Zero(F32());
    for (int64_t s = 0; s < u.z.width; ++s) {
      const VecF value = hn::Mul(factor, load(room.through + s * kChunk + at));
      sum = hn::MulAdd(value, load(u.group.c_turned + s * kChunk + at), sum);
      float* const to = u.to.dc_turned + s * kChunk + at;
      store(hn::Add(load(to), value), to);
    }
    store(sum, entered + at);
  }
  float crossed = 0;
  if (!u.ends) {
    crossed = u.times.whole * dot_row(u.carried, room.entry, u.z.state());
    alignas(64) float factors[kChunk] = {};
    for (int64_t t = 0; t < count; ++t) factors[t] = u.times.delta[t] * u.times.to_exit[t];
    for (int64_t p = 0; p < u.z.size; ++p)
      for (int64_t at = 0; at < cols; at += lanes()) {
        float* const x = room.x_turned + p * kChunk + at;
        store(hn::Mul(load(x), load(factors + at)), x);
      }
    chunk_product(u.z.width, cols, u.z.size, {u.carried, stride, 1}, {room.x_turned, kChunk}, 1,
                  u.to.db_turned, kChunk);
  }
  float left = crossed, later = 0;
  for (int64_t t = 0; t < count; ++t) {  // from rows before t to the exit
    u.rates.decayed[t] += left;
    left += u.rates.leaving[t];
  }
  for (int64_t t = count - 1; t >= 0; --t) u.rates.decayed[t] += later += entered[t];
}

/// dL/dS that enters the chunk.
void carry_back(const HeadChunk& u) {
  const int64_t count = u.rows.count, stride = u.z.row();
  scale_rows(u.room.dy, count, stride, u.times.from_entry);
  chunk_product(u.z.width, stride, count, {u.group.c, 1, u.z.wide()}, {u.room.dy, stride},
                u.ends ? 0 : u.times.whole, u.carried, stride);
}

void write_rates(const HeadChunk& u) {
  const ScanBackward& a = u.window.args;
  float da_log = 0, dd = 0, dbias = 0;
  const auto write = [&]<class A>(Type<A>) {
    for (int64_t t = u.rows.count - 1; t >= 0; --t) {
      const float change = u.times.a * u.rates.decayed[t];
      const float dz = (u.rates.worth[t] + change) * u.times.slope[t];
      if (a.ddt) a.ddt.row<A>(u.rows.begin + t)[u.h] = A(dz);
      da_log += change * u.times.delta[t];
      dd += u.rates.skipped[t];
      dbias += dz;
    }
  };
  with_type(a.dt.dtype, write);
  if (a.da_log) a.da_log.row<float>(0)[u.h] += da_log;
  if (a.dd) a.dd.row<float>(0)[u.h] += dd;
  if (a.ddt_bias) a.ddt_bias.row<float>(0)[u.h] += dbias;
}

void head_chunk(const ScanWindow& w, const ScanSizes& z, int64_t chunk, int64_t h,
                const GroupSums& to) {
  const BackwardRoom room = BackwardRoom::mine(z);
  const ScanRows rows = w.rows(chunk);
  HeadTimes times;
  make_times(w.args, rows, h, times);
  load_rows(w.args.x, rows, h * z.size, z.size, room.x, z.row());
  load_rows(w.args.dy, rows, h * z.size, z.size, room.dy, z.row());
  turn_chunk(room.x, rows.count, z.size, z.row(), room.x_turned);
  turn_chunk(room.dy, rows.count, z.size, z.row(), room.dy_turned);
  load_state(w.args.entries.row<float>(w.entry + chunk) + h * z.numbers(), z, room.entry);
  Rates rates;
  const GroupChunk group = w.group(z, chunk, h / z.per_group());
  const HeadChunk u{w,     z,    rows, h, group, to, w.carried + h * z.state(), w.ends_span(chunk),
                    times, room, rates};
  pairs_of_rows(u);
  rows_of_x(u);
  through_states(u);
  write_rates(u);
  if (w.first + chunk > 0) carry_back(u);
}

void group_of_window(const ScanWindow& w, int64_t chunk, int64_t g) {
  const ScanSizes z(w.args);
  make_group_chunk(w.args.b, w.args.c, z, w.rows(chunk), g, w.group(z, chunk, g));
}

/// Some heads of a group, the last chunk first.
void heads_of_window(const ScanWindow& w, int64_t g, int64_t part) {
  const ScanSizes z(w.args);
  const int64_t each = (z.per_group() + kHeadParts - 1) / kHeadParts;
  const int64_t begin = std::min(part * each, z.per_group()),
                end = std::min(begin + each, z.per_group());
  for (int64_t chunk = w.chunks - 1; chunk >= 0; --chunk) {
    const GroupSums to = w.sum(z, chunk, g, part);
    std::fill(to.scores, to.scores + GroupSums::floats(z), 0.0f);
    for (int64_t h = g * z.per_group() + begin; h < g * z.per_group() + end; ++h)
      head_chunk(w, z, chunk, h, to);
  }
}

/// turned (S, chunk) + scores other, where scores (s, t) is read in rows s or t: rows of dB or dC.
void write_group_rows(const ScanSizes& z, ScanRows rows, int64_t g, const float* turned,
                      const ChunkLeft& scores, const float* other, const View& to) {
  if (!to) return;
  thread_local FloatRoom room;
  room.reserve(kChunk * z.wide());
  float* const out = room.take(kChunk * z.wide());
  std::fill(out, out + rows.count * z.wide(), 0.0f);
  const View from{const_cast<float*>(turned), z.width, kChunk, kChunk,
                  Dtype::kF32};  // NOLINT: read only
  turn<float>(from, 0, z.width, 0, rows.count, out, z.wide());
  chunk_product(rows.count, z.wide(), rows.count, scores, {other, z.wide()}, 1, out, z.wide());
  store_rows(out, z.wide(), to, rows, g * z.width, z.width);
}

/// dB and dC: the parts of the heads, in order, and one product of what B C' got.
void sums_of_window(const ScanWindow& w, int64_t chunk, int64_t g) {
  const ScanSizes z(w.args);
  const GroupSums all = w.sum(z, chunk, g, 0);
  for (int64_t part = 1; part < kHeadParts; ++part) {
    const float* const from = w.sum(z, chunk, g, part).scores;
    for (int64_t i = 0; i < GroupSums::floats(z); i += lanes())
      store(hn::Add(load(all.scores + i), load(from + i)), all.scores + i);
  }
  const GroupChunk group = w.group(z, chunk, g);
  const ScanRows rows = w.rows(chunk);
  write_group_rows(z, rows, g, all.db_turned, {all.scores, kChunk, 1, Steps::kFromRow}, group.c,
                   w.args.db);
  write_group_rows(z, rows, g, all.dc_turned, {all.scores, 1, kChunk, Steps::kToRow}, group.b,
                   w.args.dc);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"

namespace falconer::cpu {

HWY_EXPORT(group_of_window);
HWY_EXPORT(heads_of_window);
HWY_EXPORT(sums_of_window);

namespace {

/// work(row, column) for all of a rows x cols grid.
template <class Work>
void for_grid(int64_t rows, int64_t cols, Work&& work) {
  parallel_for(rows * cols, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work(i / cols, i % cols);
  });
}

}  // namespace

void scan_backward(const ScanBackward& args) {
  const ScanSizes z(args);
  FloatRoom room;
  const int64_t groups = kWindow * z.groups * GroupChunk::floats(z);
  const int64_t sums = kWindow * z.groups * kHeadParts * GroupSums::floats(z);
  room.reserve(groups + sums + z.heads * z.state());
  float* const shared = room.take(groups);
  float* const summed = room.take(sums);
  float* const carried = room.take(z.heads * z.state());
  int64_t first_chunk = 0;
  for (const StateSpan& span : args.spans) {
    const int64_t chunks = scan_chunks({&span, 1});
    for (int64_t end = chunks; end > 0; end -= std::min(end, kWindow)) {
      const int64_t first = std::max<int64_t>(0, end - kWindow);
      const ScanWindow at{args,   span,   first,  end - first, first_chunk + first,
                          shared, summed, carried};
      for_grid(at.chunks, z.groups, [&](int64_t c, int64_t g) {
        HWY_DYNAMIC_DISPATCH(group_of_window)(at, c, g);
      });
      for_grid(z.groups, kHeadParts, [&](int64_t g, int64_t p) {
        HWY_DYNAMIC_DISPATCH(heads_of_window)(at, g, p);
      });
      for_grid(at.chunks, z.groups, [&](int64_t c, int64_t g) {
        HWY_DYNAMIC_DISPATCH(sums_of_window)(at, c, g);
      });
    }
    first_chunk += chunks;
  }
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
