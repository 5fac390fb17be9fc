// What every Highway kernel shares: vectors of f32 out of rows of f32 or bf16 and back, and passes
// over a row with its tail. Included once for each instruction set.
#if defined(FALCONER_OPS_CPU_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALCONER_OPS_CPU_VECTOR_INL_H_
#undef FALCONER_OPS_CPU_VECTOR_INL_H_
#else
#define FALCONER_OPS_CPU_VECTOR_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "base/error.h"
#include "tensor/view.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using VecF = hn::Vec<F32>;

HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(F32())); }

HWY_INLINE VecF load(const float* from) { return hn::LoadU(F32(), from); }
HWY_INLINE VecF load(const BF16* from) {
  const hn::Rebind<uint16_t, F32> d16;
  const hn::Rebind<uint32_t, F32> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(F32(), hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}

HWY_INLINE void store(VecF value, float* to) { hn::StoreU(value, F32(), to); }
/// Rounds to nearest even, and keeps NaN, as BF16 does.
HWY_INLINE void store(VecF value, BF16* to) {
  const hn::Rebind<int32_t, F32> di;
  const hn::Rebind<uint32_t, F32> du;
  const hn::Rebind<uint16_t, F32> d16;
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000));
  const auto is_nan = hn::RebindMask(du, hn::IsNaN(value));
  const auto high = hn::ShiftRight<16>(hn::IfThenElse(is_nan, quiet, rounded));
  hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di, high)), d16, reinterpret_cast<uint16_t*>(to));
}

template <class T>
struct Type {
  using type = T;
};
/// Calls `work` with the C++ type of an activation's or a matrix's dtype.
template <class Work>
HWY_INLINE void with_type(Dtype dtype, Work&& work) {
  if (dtype == Dtype::kF32) return work(Type<float>());
  FALCONER_CHECK(dtype == Dtype::kBF16);
  work(Type<BF16>());
}

/// The start of row i, or null where the view is empty.
template <class T>
HWY_INLINE T* row_or_null(const View& view, int64_t i) {
  return view ? view.row<T>(i) : nullptr;
}

constexpr int64_t kMostLanes = HWY_MAX_BYTES / sizeof(float);

/// The first `count` elements, the others 0.
template <class T>
HWY_INLINE VecF load_some(const T* from, int64_t count) {
  T padded[kMostLanes] = {};
  std::memcpy(static_cast<void*>(padded), from, static_cast<size_t>(count) * sizeof(T));
  return load(padded);
}
template <class T>
HWY_INLINE void store_some(VecF value, T* to, int64_t count) {
  T padded[kMostLanes];
  store(value, padded);
  std::memcpy(static_cast<void*>(to), padded, static_cast<size_t>(count) * sizeof(T));
}

/// Loads and stores at one place of a row: a whole vector, or its last elements.
struct Whole {
  template <class T>
  HWY_INLINE VecF operator()(const T* row, int64_t at) const {
    return load(row + at);
  }
  template <class T>
  HWY_INLINE void put(VecF value, T* row, int64_t at) const {
    store(value, row + at);
  }
};
struct Tail {
  int64_t count;
  template <class T>
  HWY_INLINE VecF operator()(const T* row, int64_t at) const {
    return load_some(row + at, count);
  }
  template <class T>
  HWY_INLINE void put(VecF value, T* row, int64_t at) const {
    store_some(value, row + at, count);
  }
};

/// Calls work(at, access) for every vector of a row of n elements; `access` loads and stores there.
template <class Work>
HWY_INLINE void for_vectors(int64_t n, Work&& work) {
  int64_t at = 0;
  for (; at + lanes() <= n; at += lanes()) work(at, Whole());
  if (at < n) work(at, Tail{n - at});
}

/// A sum over a row that is added in four chains, so that it does not wait for itself. Elements
/// past the end are 0: `term` must be 0 there.
template <class Term>
HWY_INLINE float sum_of(int64_t n, Term&& term) {
  const F32 d;
  VecF sums[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  int64_t at = 0;
  for (; at + 4 * lanes() <= n; at += 4 * lanes())
    for (int i = 0; i < 4; ++i) sums[i] = hn::Add(sums[i], term(at + i * lanes(), Whole()));
  for (; at + lanes() <= n; at += lanes()) sums[0] = hn::Add(sums[0], term(at, Whole()));
  if (at < n) sums[1] = hn::Add(sums[1], term(at, Tail{n - at}));
  const VecF total = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
  return hn::GetLane(hn::SumOfLanes(d, total));
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
