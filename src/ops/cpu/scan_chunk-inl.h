// What the forward and the backward of the state-space scan do with a chunk. Included once for each instruction set.
#if defined(FALCONER_OPS_CPU_SCAN_CHUNK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALCONER_OPS_CPU_SCAN_CHUNK_INL_H_
#undef FALCONER_OPS_CPU_SCAN_CHUNK_INL_H_
#else
#define FALCONER_OPS_CPU_SCAN_CHUNK_INL_H_
#endif

#include <cmath>

#include "ops/cpu/chunk_product-inl.h"
#include "ops/cpu/scan_room.h"
#include "ops/cpu/sigmoid-inl.h"
#include "ops/cpu/turn-inl.h"
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

constexpr int64_t kChunk = kScanChunk;

/// Columns first .. first+count-1 of some rows, as f32, padded with zeros.
inline void load_rows(const View& from, ScanRows rows, int64_t first, int64_t count, float* out,
                      int64_t stride) {
  with_type(from.dtype, [&]<class A>(Type<A>) {
    for (int64_t t = 0; t < rows.count; ++t, out += stride) {
      const A* row = from.row<A>(rows.begin + t) + first;
      for_vectors(count, [&](int64_t at, auto access) { store(access(row, at), out + at); });
      for (int64_t i = count; i < stride; ++i) out[i] = 0;
    }
  });
}

inline void store_rows(const float* from, int64_t stride, const View& to, ScanRows rows,
                       int64_t first, int64_t count) {
  with_type(to.dtype, [&]<class A>(Type<A>) {
    for (int64_t t = 0; t < rows.count; ++t, from += stride) {
      A* row = to.row<A>(rows.begin + t) + first;
      for_vectors(count, [&](int64_t at, auto access) { access.put(access(from, at), row, at); });
    }
  });
}

/// A head's state out of a memory's (S,P), and back.
inline void load_state(const float* from, const ScanSizes& z, float* state) {
  for (int64_t s = 0; s < z.width; ++s, from += z.size, state += z.row()) {
    std::memcpy(state, from, static_cast<size_t>(z.size) * sizeof(float));
    std::fill(state + z.size, state + z.row(), 0.0f);
  }
}
inline void store_state(const float* state, const ScanSizes& z, float* to) {
  for (int64_t s = 0; s < z.width; ++s, to += z.size, state += z.row())
    std::memcpy(to, state, static_cast<size_t>(z.size) * sizeof(float));
}

/// (rows, cols) in rows of `stride` to (cols, 64), zeros behind the rows that there are.
inline void turn_chunk(const float* from, int64_t rows, int64_t cols, int64_t stride, float* out) {
  const View view{const_cast<float*>(from), rows, cols, stride, Dtype::kF32};  // NOLINT: read only
  turn<float>(view, 0, rows, 0, cols, out, kChunk);
  if (const int64_t end = padded_row(rows); rows < end)
    for (int64_t i = 0; i < cols; ++i)
      std::fill(out + i * kChunk + rows, out + i * kChunk + end, 0.0f);
}

inline void make_group_chunk(const View& b, const View& c, const ScanSizes& z, ScanRows rows,
                             int64_t g, const GroupChunk& to) {
  load_rows(b, rows, g * z.width, z.width, to.b, z.wide());
  load_rows(c, rows, g * z.width, z.width, to.c, z.wide());
  turn_chunk(to.c, rows.count, z.width, z.wide(), to.c_turned);
  chunk_product(rows.count, padded_row(rows.count), z.width, {to.b, z.wide(), 1},
                {to.c_turned, kChunk}, 0, to.scores, kChunk);
}

/// Of a head in the rows of a chunk, with l the sums of d A: d, dd/ddt, l, exp(l), and exp(l of the last row - l).
struct HeadTimes {
  alignas(64) float delta[kChunk];
  alignas(64) float slope[kChunk];
  alignas(64) float sums[kChunk];
  alignas(64) float from_entry[kChunk];
  alignas(64) float to_exit[kChunk];
  float a, whole;  // A, and exp(l of the last row)
};

template <class Args>
void make_times(const Args& args, ScanRows rows, int64_t h, HeadTimes& out) {
  const F32 d;
  const float bias = args.dt_bias.template row<float>(0)[h];
  out.a = -std::exp(args.a_log.template row<float>(0)[h]);
  with_type(args.dt.dtype, [&]<class A>(Type<A>) {
    for (int64_t t = 0; t < rows.count; ++t)
      out.delta[t] = static_cast<float>(args.dt.template row<A>(rows.begin + t)[h]) + bias;
  });
  std::fill(out.delta + rows.count, out.delta + kChunk, 0.0f);
  for (int64_t t = 0; t < rows.count; t += lanes()) {
    const VecF z = load(out.delta + t), e = hn::Exp(d, hn::Neg(hn::Abs(z)));
    store(hn::Add(hn::Max(z, hn::Zero(d)), hn::Log1p(d, e)), out.delta + t);
    store(sigmoid(z), out.slope + t);
  }
  float sum = 0;
  for (int64_t t = 0; t < kChunk; ++t) {
    if (t < rows.count) sum += out.delta[t] * out.a;
    out.sums[t] = sum;
  }
  const VecF last = hn::Set(d, sum);
  for (int64_t t = 0; t < kChunk; t += lanes()) {
    const VecF at = load(out.sums + t);
    store(hn::Exp(d, at), out.from_entry + t);
    store(hn::Exp(d, hn::Sub(last, at)), out.to_exit + t);
  }
  out.whole = out.from_entry[rows.count - 1];
}

/// exp(l_t - l_s) of rows t = at and on, 0 where t < s. The difference is never positive where it counts.
HWY_INLINE VecF decay(const HeadTimes& times, int64_t s, int64_t at) {
  const F32 d;
  const VecF gone = hn::Sub(load(times.sums + at), hn::Set(d, times.sums[s]));
  const VecF e = hn::Exp(d, hn::Min(gone, hn::Zero(d)));
  if (at >= s) return e;
  const VecF row = hn::Iota(d, static_cast<float>(at));
  return hn::IfThenElseZero(hn::Ge(row, hn::Set(d, static_cast<float>(s))), e);
}

/// Calls work(at) for the vectors of row s of a chunk's upper triangle, and zeroes `out` before them.
template <class Work>
HWY_INLINE void for_later(int64_t s, int64_t count, float* out, Work&& work) {
  const int64_t first = s / lanes() * lanes();
  std::fill(out, out + first, 0.0f);
  for (int64_t at = first; at < padded_row(count); at += lanes()) work(at);
}

/// Row t of x times factors(t).
inline void scale_rows(float* x, int64_t rows, int64_t stride, const float* factors) {
  for (int64_t t = 0; t < rows; ++t, x += stride) {
    const VecF factor = hn::Set(F32(), factors[t]);
    for (int64_t at = 0; at < stride; at += lanes()) store(hn::Mul(load(x + at), factor), x + at);
  }
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
