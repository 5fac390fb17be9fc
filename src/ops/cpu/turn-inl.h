// Rows that become columns. Included once for each instruction set.
#if defined(FALCONER_OPS_CPU_TURN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALCONER_OPS_CPU_TURN_INL_H_
#undef FALCONER_OPS_CPU_TURN_INL_H_
#else
#define FALCONER_OPS_CPU_TURN_INL_H_
#endif

#include "ops/cpu/half-inl.h"
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
using F32x4 = hn::FixedTag<float, 4>;
HWY_INLINE hn::Vec<F32x4> load_four(const float* from) { return hn::LoadU(F32x4(), from); }
HWY_INLINE hn::Vec<F32x4> load_four(const BF16* from) {
  const hn::Rebind<uint16_t, F32x4> d16;
  const hn::Rebind<uint32_t, F32x4> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(F32x4(), hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}
HWY_INLINE hn::Vec<F32x4> load_four(const F16* from) { return load_half_precision(F32x4(), from); }
/// Four rows of a transposed b, from column k: element i of each behind the other at out + i
/// stride.
template <class B>
HWY_INLINE void turn_four(const B* const* rows, int64_t k, float* out, int64_t stride) {
  const F32x4 d;
  const hn::RepartitionToWide<F32x4> wide;
  const auto pairs = [&](auto x) HWY_ATTR { return hn::BitCast(wide, x); };
  const auto r0 = load_four(rows[0] + k), r1 = load_four(rows[1] + k);
  const auto r2 = load_four(rows[2] + k), r3 = load_four(rows[3] + k);
  const auto low01 = pairs(hn::InterleaveLower(d, r0, r1));
  const auto low23 = pairs(hn::InterleaveLower(d, r2, r3));
  const auto high01 = pairs(hn::InterleaveUpper(d, r0, r1));
  const auto high23 = pairs(hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, out + stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, out + 2 * stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, out + 3 * stride);
}
#endif

/// Rows m .. m+count-1 from column k0, turned: element k of row m + r at out + k stride + r.
template <class T>
void turn(const View& from, int64_t m, int64_t count, int64_t k0, int64_t depth, float* out,
          int64_t stride) {
  int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; r + 4 <= count; r += 4) {
    const T* rows[4];
    for (int64_t i = 0; i < 4; ++i) rows[i] = from.row<T>(m + r + i) + k0;
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4) turn_four<T>(rows, k, out + k * stride + r, stride);
    for (; k < depth; ++k)
      for (int64_t i = 0; i < 4; ++i) out[k * stride + r + i] = static_cast<float>(rows[i][k]);
  }
#endif
  for (; r < count; ++r) {
    const T* row = from.row<T>(m + r) + k0;
    for (int64_t k = 0; k < depth; ++k) out[k * stride + r] = static_cast<float>(row[k]);
  }
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
