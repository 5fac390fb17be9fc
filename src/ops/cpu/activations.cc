#include "ops/cpu/activations.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/activations.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <type_traits>

#include "ops/cpu/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// The normal distribution and exp(-z z / 2) at z. With u = |z| / sqrt 2 and t = 1 / (1 + 0.3 u):
/// erfc(u) = exp(-u u) times a polynomial in t, fitted to 2e-8 of erfc for u in [0, 10].
struct Normal {
  VecF distribution, bell;
};
HWY_INLINE Normal normal(VecF z) {
  constexpr float kFit[] = {1.691880040e-01f,  1.707152462e-01f,  1.483390410e-01f,
                            2.149265321e-01f,  -9.465176613e-02f, 5.477214362e-01f,
                            -5.122792382e-01f, 4.855637300e-01f,  -1.295230047e-01f};
  const F32 d;
  const VecF one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f);
  const VecF bell = hn::Exp(d, hn::Mul(hn::Neg(half), hn::Mul(z, z)));
  const VecF t = hn::Div(one, hn::MulAdd(hn::Abs(z), hn::Set(d, 0.3f * 0.70710678118654752f), one));
  VecF fit = hn::Set(d, kFit[8]);
  for (int i = 7; i >= 0; --i) fit = hn::MulAdd(fit, t, hn::Set(d, kFit[i]));
  const VecF tail = hn::Mul(half, hn::Mul(bell, hn::Mul(fit, t)));
  return {hn::IfThenElse(hn::Lt(z, hn::Zero(d)), tail, hn::Sub(one, tail)), bell};
}

template <Activation kAct>
struct Act {
  static constexpr Activation kOf = kAct;
};
/// Calls `work` with the activation as a type.
template <class Work>
HWY_INLINE void with_activation(Activation act, Work&& work) {
  if (act == Activation::kSilu) return work(Act<Activation::kSilu>());
  if (act == Activation::kGelu) return work(Act<Activation::kGelu>());
  work(Act<Activation::kGeluTanh>());
}

/// a(z) and a'(z).
struct Activated {
  VecF value, slope;
};
template <Activation kAct>
HWY_INLINE Activated activated(VecF z) {
  const F32 d;
  if constexpr (kAct == Activation::kGelu) {
    const Normal at_z = normal(z);
    const VecF density = hn::Mul(at_z.bell, hn::Set(d, 0.3989422804014327f));
    return {hn::Mul(z, at_z.distribution), hn::MulAdd(z, density, at_z.distribution)};
  }
  const VecF one = hn::Set(d, 1.0f);
  if constexpr (kAct == Activation::kSilu) {
    const VecF s = sigmoid(z);
    return {hn::Mul(z, s), hn::Mul(s, hn::MulAdd(z, hn::Sub(one, s), one))};
  }
  constexpr float kTwice = 1.5957691216057308f, kCubic = 0.044715f;  // 2 sqrt(2 / pi)
  const VecF root = hn::Set(d, kTwice), squared = hn::Mul(z, z);
  const VecF factor = hn::MulAdd(squared, hn::Set(d, kTwice * kCubic), root);
  const VecF s = sigmoid(hn::Mul(z, factor));
  const VecF du = hn::MulAdd(squared, hn::Set(d, 3 * kTwice * kCubic), root);
  const VecF value = hn::Mul(z, s);
  return {value, hn::MulAdd(hn::Mul(value, du), hn::Sub(one, s), s)};
}

template <Activation kAct, class A>
void activate_row(const A* x, A* y, int64_t n) {
  for_vectors(
      n, [&](int64_t at, auto access) { access.put(activated<kAct>(access(x, at)).value, y, at); });
}

template <Activation kAct, class A>
void activate_back_row(const A* x, A* grad, int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF slope = activated<kAct>(access(x, at)).slope;
    access.put(hn::Mul(access(grad, at), slope), grad, at);
  });
}

template <Activation kAct, class A>
void gated_row(const A* gate, const A* up, A* y, int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF value = activated<kAct>(access(gate, at)).value;
    access.put(hn::Mul(value, access(up, at)), y, at);
  });
}

template <Activation kAct, class A>
void gated_back_row(const A* gate, const A* up, const A* dy, A* dgate, A* dup, int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    const Activated here = activated<kAct>(access(gate, at));
    const VecF g = access(dy, at), u = access(up, at);
    if (dgate != nullptr) access.put(hn::Mul(hn::Mul(g, u), here.slope), dgate, at);
    if (dup != nullptr) access.put(hn::Mul(g, here.value), dup, at);
  });
}

template <class A>
void soft_cap_row(A* x, float cap, int64_t n) {
  const F32 d;
  const VecF c = hn::Set(d, cap);
  for_vectors(n, [&](int64_t at, auto access) {
    access.put(hn::Mul(c, hn::Tanh(d, hn::Div(access(x, at), c))), x, at);
  });
}

template <class A, class Y>
void soft_cap_back_row(const Y* y, A* grad, float cap, int64_t n) {
  const F32 d;
  const VecF c = hn::Set(d, cap), one = hn::Set(d, 1.0f);
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF t = hn::Div(access(y, at), c);
    access.put(hn::Mul(access(grad, at), hn::NegMulAdd(t, t, one)), grad, at);
  });
}

// ---- the same over rows [begin, end) of whole arguments, for every dtype

HWY_INLINE Activation gelu_form(bool tanh) {
  return tanh ? Activation::kGeluTanh : Activation::kGelu;
}

void gelu_forward_rows(const GeluForward& a, int64_t begin, int64_t end) {
  with_activation(gelu_form(a.tanh), [&]<class Of>(Of) {
    with_type(a.y.dtype, [&]<class A>(Type<A>) {
      for (int64_t i = begin; i < end; ++i)
        activate_row<Of::kOf, A>(a.x.row<A>(i), a.y.row<A>(i), a.y.cols);
    });
  });
}

void gelu_backward_rows(const GeluBackward& a, int64_t begin, int64_t end) {
  with_activation(gelu_form(a.tanh), [&]<class Of>(Of) {
    with_type(a.d.dtype, [&]<class A>(Type<A>) {
      for (int64_t i = begin; i < end; ++i)
        activate_back_row<Of::kOf, A>(a.x.row<A>(i), a.d.row<A>(i), a.d.cols);
    });
  });
}

void gated_forward_rows(const GatedForward& a, int64_t begin, int64_t end) {
  with_activation(a.act, [&]<class Of>(Of) {
    with_type(a.y.dtype, [&]<class A>(Type<A>) {
      for (int64_t i = begin; i < end; ++i)
        gated_row<Of::kOf, A>(a.gate.row<A>(i), a.up.row<A>(i), a.y.row<A>(i), a.y.cols);
    });
  });
}

void gated_backward_rows(const GatedBackward& a, int64_t begin, int64_t end) {
  with_activation(a.act, [&]<class Of>(Of) {
    with_type(a.dy.dtype, [&]<class A>(Type<A>) {
      for (int64_t i = begin; i < end; ++i)
        gated_back_row<Of::kOf, A>(a.gate.row<A>(i), a.up.row<A>(i), a.dy.row<A>(i),
                                   row_or_null<A>(a.dgate, i), row_or_null<A>(a.dup, i), a.dy.cols);
    });
  });
}

void soft_cap_forward_rows(const SoftCapForward& a, int64_t begin, int64_t end) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = begin; i < end; ++i) soft_cap_row<A>(a.x.row<A>(i), a.cap, a.x.cols);
  });
}

void soft_cap_backward_rows(const SoftCapBackward& a, int64_t begin, int64_t end) {
  with_type(a.d.dtype, [&]<class A>(Type<A>) {
    with_type(a.y.dtype, [&]<class Y>(Type<Y>) {
      for (int64_t i = begin; i < end; ++i)
        soft_cap_back_row<A, Y>(a.y.row<Y>(i), a.d.row<A>(i), a.cap, a.d.cols);
    });
  });
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"
#include "ops/cpu/elementwise.h"

namespace falconer::cpu {

HWY_EXPORT(gelu_forward_rows);
HWY_EXPORT(gelu_backward_rows);
HWY_EXPORT(gated_forward_rows);
HWY_EXPORT(gated_backward_rows);
HWY_EXPORT(soft_cap_forward_rows);
HWY_EXPORT(soft_cap_backward_rows);

void gelu_forward(const GeluForward& args) {
  parallel_for(args.y.rows, grain_of(args.y.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(gelu_forward_rows)(args, begin, end);
  });
}

void gelu_backward(const GeluBackward& args) {
  parallel_for(args.d.rows, grain_of(args.d.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(gelu_backward_rows)(args, begin, end);
  });
}

void gated_forward(const GatedForward& args) {
  parallel_for(args.y.rows, grain_of(args.y.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(gated_forward_rows)(args, begin, end);
  });
}

void gated_backward(const GatedBackward& args) {
  parallel_for(args.dy.rows, grain_of(args.dy.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(gated_backward_rows)(args, begin, end);
  });
}

void soft_cap_forward(const SoftCapForward& args) {
  parallel_for(args.x.rows, grain_of(args.x.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(soft_cap_forward_rows)(args, begin, end);
  });
}

void soft_cap_backward(const SoftCapBackward& args) {
  parallel_for(args.d.rows, grain_of(args.d.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(soft_cap_backward_rows)(args, begin, end);
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
