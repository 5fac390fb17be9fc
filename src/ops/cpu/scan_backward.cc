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
/// A call, and its room: (chunks, G), (chunks, G, parts), for each head dL/dS between rounds, and what parameters get,
/// (chunks, H, 3).
struct ScanBack {
  const ScanBackward& args;
  float *groups, *sums, *carried, *totals;

  GroupChunk group(const ScanSizes& z, int64_t chunk, int64_t g) const {
    return {groups + (chunk * z.groups + g) * GroupChunk::floats(z), z};
  }
  GroupSums sum(const ScanSizes& z, int64_t chunk, int64_t g, int64_t part) const {
    return {sums + ((chunk * z.groups + g) * kHeadParts + part) * GroupSums::floats(z), z};
  }
};

/// Heads of a group, of some chunks of a span.
struct HeadsTask {
  const ScanBack& back;
  const ScanSegment& segment;
  int64_t g, part;
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Of one head in one chunk. x, dy and eb (E_t B_t) are (chunk, P); turned ones (P, chunk); k (dy x', then with scores)
/// and scores (chunk, chunk), row s and column t; through is (S, chunk).
struct BackwardRoom {
  float *entry, *x, *dy, *x_turned, *dy_turned, *eb, *k, *scores, *through;
  float* carried;  // dL/dS behind the chunk, of `heads`
  static BackwardRoom mine(const ScanSizes& z, int64_t heads) {
    thread_local FloatRoom room;
    const int64_t rows = kChunk * z.row(), square = kChunk * kChunk;
    room.reserve((1 + heads) * z.state() + 5 * rows + 2 * square + kChunk * z.width);
    return {room.take(z.state()),
            room.take(rows),
            room.take(rows),
            room.take(rows),
            room.take(rows),
            room.take(rows),
            room.take(square),
            room.take(square),
            room.take(kChunk * z.width),
            room.take(heads * z.state())};
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
  const ScanBackward& args;
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
  const VecF skip = hn::Set(F32(), u.args.d.row<float>(0)[u.h]);
  for (int64_t t = 0; t < count; ++t) {
    float* const eb = room.eb + t * stride;
    const float *const x = room.x + t * stride, *const dy = room.dy + t * stride;
    u.rates.worth[t] = dot_row(x, eb, stride);
    u.rates.skipped[t] = dot_row(x, dy, stride);
    const VecF delta = hn::Set(F32(), u.times.delta[t]);
    for (int64_t at = 0; at < stride; at += lanes())
      store(hn::MulAdd(delta, load(eb + at), hn::Mul(skip, load(dy + at))), eb + at);
  }
  if (u.args.dx) store_rows(room.eb, stride, u.args.dx, u.rows, u.h * u.z.size, u.z.size);
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

void write_rates(const HeadChunk& u, float* totals) {
  const ScanBackward& a = u.args;
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
  totals[0] = da_log, totals[1] = dd, totals[2] = dbias;
}

/// `carried`: of head h, behind the chunk; then before it, unless the span begins there.
void head_chunk(const HeadsTask& task, const ScanSizes& z, int64_t chunk, int64_t h,
                const BackwardRoom& room, float* carried) {
  const ScanBackward& a = task.back.args;
  const ScanSegment& segment = task.segment;
  const ScanRows rows = segment.rows(chunk);
  HeadTimes times;
  make_times(a, rows, h, times);
  load_rows(a.x, rows, h * z.size, z.size, room.x, z.row());
  load_rows(a.dy, rows, h * z.size, z.size, room.dy, z.row());
  turn_chunk(room.x, rows.count, z.size, z.row(), room.x_turned);
  turn_chunk(room.dy, rows.count, z.size, z.row(), room.dy_turned);
  load_state(a.entries.row<float>(segment.entry + chunk) + h * z.numbers(), z, room.entry);
  Rates rates;
  const GroupChunk group = task.back.group(z, segment.room + chunk, task.g);
  const GroupSums to = task.back.sum(z, segment.room + chunk, task.g, task.part);
  const bool ends = segment.ends() && chunk + 1 == segment.chunks;
  const HeadChunk u{a, z, rows, h, group, to, carried, ends, times, room, rates};
  pairs_of_rows(u);
  rows_of_x(u);
  through_states(u);
  write_rates(u, task.back.totals + ((segment.room + chunk) * z.heads + h) * 3);
  if (segment.first + chunk > 0) carry_back(u);
}

void group_of_chunk(const ScanBack& back, ScanRows rows, int64_t chunk, int64_t g) {
  const ScanSizes z(back.args);
  make_group_chunk(back.args.b, back.args.c, z, rows, g, back.group(z, chunk, g));
}

/// The last chunk first.
void heads_of_group(const HeadsTask& task) {
  const ScanSizes z(task.back.args);
  const ScanSegment& segment = task.segment;
  const int64_t each = (z.per_group() + kHeadParts - 1) / kHeadParts;
  const int64_t begin = task.g * z.per_group() + std::min(task.part * each, z.per_group());
  const int64_t heads = std::min(each, (task.g + 1) * z.per_group() - begin);
  const BackwardRoom room = BackwardRoom::mine(z, each);
  float* const between = task.back.carried + begin * z.state();
  if (!segment.ends()) std::copy_n(between, heads * z.state(), room.carried);
  for (int64_t chunk = segment.chunks - 1; chunk >= 0; --chunk) {
    const GroupSums to = task.back.sum(z, segment.room + chunk, task.g, task.part);
    std::fill(to.scores, to.scores + GroupSums::floats(z), 0.0f);
    for (int64_t i = 0; i < heads; ++i)
      head_chunk(task, z, chunk, begin + i, room, room.carried + i * z.state());
  }
  if (!segment.begins()) std::copy_n(room.carried, heads * z.state(), between);
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
void sums_of_chunk(const ScanBack& back, ScanRows rows, int64_t chunk, int64_t g) {
  const ScanSizes z(back.args);
  const GroupSums all = back.sum(z, chunk, g, 0);
  for (int64_t part = 1; part < kHeadParts; ++part) {
    const float* const from = back.sum(z, chunk, g, part).scores;
    for (int64_t i = 0; i < GroupSums::floats(z); i += lanes())
      store(hn::Add(load(all.scores + i), load(from + i)), all.scores + i);
  }
  const GroupChunk group = back.group(z, chunk, g);
  write_group_rows(z, rows, g, all.db_turned, {all.scores, kChunk, 1, Steps::kFromRow}, group.c,
                   back.args.db);
  write_group_rows(z, rows, g, all.dc_turned, {all.scores, 1, kChunk, Steps::kToRow}, group.b,
                   back.args.dc);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"

namespace falconer::cpu {

namespace {

/// What parameters get of a round, chunk by chunk.
void add_totals(const ScanBack& back, int64_t chunks) {
  const int64_t heads = back.args.dt.cols;
  const View* const to[] = {&back.args.da_log, &back.args.dd, &back.args.ddt_bias};
  for (int64_t i = 0; i < chunks * heads * 3; ++i)
    if (const View& sum = *to[i % 3]) sum.row<float>(0)[i / 3 % heads] += back.totals[i];
}

}  // namespace

HWY_EXPORT(group_of_chunk);
HWY_EXPORT(heads_of_group);
HWY_EXPORT(sums_of_chunk);

void scan_backward(const ScanBackward& args) {
  const ScanSizes z(args);
  FloatRoom room;
  const int64_t groups = kScanRound * z.groups * GroupChunk::floats(z);
  const int64_t sums = kScanRound * z.groups * kHeadParts * GroupSums::floats(z);
  const int64_t totals = padded_row(kScanRound * z.heads * 3);
  room.reserve(groups + sums + z.heads * z.state() + totals);
  float* const made = room.take(groups);
  float* const summed = room.take(sums);
  float* const carried = room.take(z.heads * z.state());
  const ScanBack back{args, made, summed, carried, room.take(totals)};
  const auto has_rows = [](const StateSpan& span) { return span.count > 0; };
  for_rounds(args.spans, true, has_rows, [&](const ScanRound& round) {
    const auto for_chunks = [&](const auto& work) {
      parallel_for(std::ssize(round.chunks) * z.groups, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          work(round.chunks[static_cast<size_t>(i / z.groups)], i / z.groups, i % z.groups);
      });
    };
    for_chunks([&](ScanRows rows, int64_t chunk, int64_t g) {
      HWY_DYNAMIC_DISPATCH(group_of_chunk)(back, rows, chunk, g);
    });
    const int64_t parts = z.groups * kHeadParts;
    parallel_for(std::ssize(round.segments) * parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const ScanSegment& segment = round.segments[static_cast<size_t>(i / parts)];
        const HeadsTask task{back, segment, i % parts / kHeadParts, i % kHeadParts};
        HWY_DYNAMIC_DISPATCH(heads_of_group)(task);
      }
    });
    for_chunks([&](ScanRows rows, int64_t chunk, int64_t g) {
      HWY_DYNAMIC_DISPATCH(sums_of_chunk)(back, rows, chunk, g);
    });
    add_totals(back, std::ssize(round.chunks));
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
