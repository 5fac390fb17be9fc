// Matrices that stay in f16, as their file has them: widened to f32 where products read them, which
// keeps every bit. Included once for each instruction set, behind vector-inl.h.
#if defined(FALCONER_OPS_CPU_HALF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALCONER_OPS_CPU_HALF_INL_H_
#undef FALCONER_OPS_CPU_HALF_INL_H_
#else
#define FALCONER_OPS_CPU_HALF_INL_H_
#endif

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// A vector of `d`'s lanes.
template <class D>
HWY_INLINE hn::Vec<D> load_half_precision(D d, const F16* from) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, static_cast<float>(*from));
#elif HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(from)));
#else
  // Exponent and mantissa in their places, and the difference of the exponents' biases as a factor:
  // that is exact, and makes numbers below the normal ones right too. What is not finite stays it.
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from)));
  const auto magnitude = hn::And(bits, hn::Set(d32, 0x7fff));
  const auto scaled = hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(magnitude)), hn::Set(d, 0x1p112f));
  const auto end = hn::And(bits, hn::Set(d32, 0x7c00));
  const auto exponent =
      hn::IfThenElseZero(hn::Eq(end, hn::Set(d32, 0x7c00)), hn::Set(d32, 0x7f800000u));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(d32, 0x8000)));
  return hn::BitCast(d, hn::Or(hn::BitCast(d32, scaled), hn::Or(exponent, sign)));
#endif
}
HWY_INLINE VecF load(const F16* from) { return load_half_precision(F32(), from); }

/// As with_type, for a matrix of weights, which may be f16 too.
template <class Work>
HWY_INLINE void with_weight_type(Dtype dtype, Work&& work) {
  if (dtype == Dtype::kF16) return work(Type<F16>());
  with_type(dtype, work);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
