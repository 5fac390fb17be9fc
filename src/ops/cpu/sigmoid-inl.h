// The logistic function. Included once for each instruction set.
#if defined(FALCONER_OPS_CPU_SIGMOID_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALCONER_OPS_CPU_SIGMOID_INL_H_
#undef FALCONER_OPS_CPU_SIGMOID_INL_H_
#else
#define FALCONER_OPS_CPU_SIGMOID_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// 1 / (1 + exp(-z)), to its last places where it is small, too.
HWY_INLINE VecF sigmoid(VecF z) {
  const F32 d;
  const VecF one = hn::Set(d, 1.0f), e = hn::Exp(d, hn::Neg(hn::Abs(z)));
  const VecF above = hn::IfThenElse(hn::Lt(z, hn::Zero(d)), e, one);
  return hn::Div(above, hn::Add(one, e));
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
