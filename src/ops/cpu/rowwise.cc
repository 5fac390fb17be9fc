#include "ops/cpu/rowwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/rowwise.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/contrib/math/math-inl.h>

#include <algorithm>
#include <cmath>

#include "ops/cpu/vector-inl.h"
#include "ops/scalar/optimizer.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// x - mean where x is, and 0 past the end of the row.
template <class A, class Access>
HWY_INLINE VecF centred(const A* x, VecF mean, int64_t at, Access access) {
  const VecF value = hn::Sub(access(x, at), mean);
  if constexpr (std::is_same_v<Access, Tail>)
    return hn::IfThenElseZero(hn::FirstN(F32(), static_cast<size_t>(access.count)), value);
  return value;
}

template <class A>
void norm_row(const A* x, const float* w, const float* b, A* y, float* stats, float eps,
              int64_t n) {
  const F32 d;
  const float count = static_cast<float>(n);
  const float mean = sum_of(n, [&](int64_t at, auto access) { return access(x, at); }) / count;
  const VecF means = hn::Set(d, mean);
  const float variance = sum_of(n,
                                [&](int64_t at, auto access) {
                                  const VecF c = centred(x, means, at, access);
                                  return hn::Mul(c, c);
                                }) /
                         count;
  const float rstd = 1 / std::sqrt(variance + eps);
  const VecF rstds = hn::Set(d, rstd);
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF h = hn::Mul(hn::Sub(access(x, at), means), rstds);
    if (b != nullptr)
      access.put(hn::MulAdd(h, access(w, at), access(b, at)), y, at);
    else
      access.put(hn::Mul(h, access(w, at)), y, at);
  });
  stats[0] = mean;
  stats[1] = rstd;
}

template <class A>
void norm_back_row(const A* x, const float* w, const float* stats, const A* dy, A* dx_add,
                   int64_t n) {
  const F32 d;
  const VecF mean = hn::Set(d, stats[0]), rstd = hn::Set(d, stats[1]);
  const float count = static_cast<float>(n);
  const float mean_d =
      sum_of(n, [&](int64_t at, auto access) { return hn::Mul(access(dy, at), access(w, at)); }) /
      count;
  const float mean_dh = sum_of(n,
                               [&](int64_t at, auto access) {
                                 const VecF h = hn::Mul(hn::Sub(access(x, at), mean), rstd);
                                 return hn::Mul(hn::Mul(access(dy, at), access(w, at)), h);
                               }) /
                        count;
  const VecF mean_ds = hn::Set(d, mean_d), mean_dhs = hn::Set(d, mean_dh);
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF h = hn::Mul(hn::Sub(access(x, at), mean), rstd);
    const VecF dh = hn::Mul(access(dy, at), access(w, at));
    const VecF inner = hn::NegMulAdd(h, mean_dhs, hn::Sub(dh, mean_ds));
    access.put(hn::MulAdd(rstd, inner, access(dx_add, at)), dx_add, at);
  });
}

template <class A>
void norm_weights_row(const A* x, const float* stats, const A* dy, float* dw, float* db,
                      int64_t n) {
  const F32 d;
  const VecF mean = hn::Set(d, stats[0]), rstd = hn::Set(d, stats[1]);
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF g = access(dy, at);
    const VecF h = hn::Mul(hn::Sub(access(x, at), mean), rstd);
    if (dw != nullptr) access.put(hn::MulAdd(g, h, access(dw, at)), dw, at);
    if (db != nullptr) access.put(hn::Add(g, access(db, at)), db, at);
  });
}

template <class A>
void rms_row(const A* x, const float* w, A* y, float* stat, float eps, float offset, int64_t n) {
  const F32 d;
  const float squares = sum_of(n, [&](int64_t at, auto access) {
    const VecF value = access(x, at);
    return hn::Mul(value, value);
  });
  *stat = 1 / std::sqrt(squares / static_cast<float>(n) + eps);
  const VecF r = hn::Set(d, *stat), off = hn::Set(d, offset);
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF h = hn::Mul(access(x, at), r);
    access.put(hn::Mul(h, hn::Add(off, access(w, at))), y, at);
  });
}

template <bool kAdd, class A>
void rms_back_row(const A* x, const float* w, float stat, const A* dy, A* dx, float offset,
                  int64_t n) {
  const F32 d;
  const VecF r = hn::Set(d, stat), off = hn::Set(d, offset);
  const float mean_dh = sum_of(n,
                               [&](int64_t at, auto access) {
                                 const VecF h = hn::Mul(access(x, at), r);
                                 const VecF weight = hn::Add(off, access(w, at));
                                 return hn::Mul(hn::Mul(access(dy, at), weight), h);
                               }) /
                        static_cast<float>(n);
  const VecF mean = hn::Set(d, mean_dh);
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF h = hn::Mul(access(x, at), r);
    const VecF dh = hn::Mul(access(dy, at), hn::Add(off, access(w, at)));
    const VecF inner = hn::NegMulAdd(h, mean, dh);
    if constexpr (kAdd)
      access.put(hn::MulAdd(r, inner, access(dx, at)), dx, at);
    else
      access.put(hn::Mul(r, inner), dx, at);
  });
}

template <class A>
void rms_weights_row(const A* x, float stat, const A* dy, float* dw, int64_t n) {
  const VecF r = hn::Set(F32(), stat);
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF h = hn::Mul(access(x, at), r);
    access.put(hn::MulAdd(access(dy, at), h, access(dw, at)), dw, at);
  });
}

HWY_INLINE float max_of(const float* x, int64_t n) {
  const F32 d;
  VecF most = hn::Set(d, x[0]);
  int64_t at = 0;
  for (; at + lanes() <= n; at += lanes()) most = hn::Max(most, load(x + at));
  float result = hn::GetLane(hn::MaxOfLanes(d, most));
  for (; at < n; ++at) result = std::max(result, x[at]);
  return result;
}

template <class D>
void cross_entropy_row(const float* logits, int32_t target, float* loss, D* grad, float scale,
                       int64_t n) {
  const F32 d;
  const VecF most = hn::Set(d, max_of(logits, n));
  const float own = logits[target];
  // x - x is 0, or NaN where x is not finite: then so is the loss.
  const float total = sum_of(n, [&](int64_t at, auto access) {
    const VecF x = access(logits, at);
    const VecF e = hn::Add(hn::Exp(d, hn::Sub(x, most)), hn::Sub(x, x));
    if constexpr (std::is_same_v<decltype(access), Tail>)
      return hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(access.count)), e);
    return e;
  });
  *loss = std::log(total) + hn::GetLane(most) - own;
  if (grad == nullptr) return;
  const VecF factor = hn::Set(d, scale / total);
  const float p_own = std::exp(own - hn::GetLane(most)) / total;
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF e = hn::Exp(d, hn::Sub(access(logits, at), most));
    access.put(hn::Mul(e, factor), grad, at);
  });
  grad[target] = D(scale * (p_own - 1));
}

// ---- the same over rows [begin, end) of whole arguments, for every dtype

void norm_forward_rows(const NormForward& a, int64_t begin, int64_t end) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = begin; i < end; ++i)
      norm_row<A>(a.x.row<A>(i), a.w.row<float>(0), row_or_null<float>(a.b, 0), a.y.row<A>(i),
                  a.stats.row<float>(i), a.eps, a.x.cols);
  });
}

void norm_backward_rows(const NormBackward& a, int64_t begin, int64_t end) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = begin; i < end; ++i)
      norm_back_row<A>(a.x.row<A>(i), a.w.row<float>(0), a.stats.row<float>(i), a.dy.row<A>(i),
                       a.dx_add.row<A>(i), a.x.cols);
  });
}

/// Columns [begin, end): rows meet in dw and db.
void norm_backward_cols(const NormBackward& a, int64_t begin, int64_t end) {
  const auto at = [&](const View& v) { return v ? v.row<float>(0) + begin : nullptr; };
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = 0; i < a.x.rows; ++i)
      norm_weights_row<A>(a.x.row<A>(i) + begin, a.stats.row<float>(i), a.dy.row<A>(i) + begin,
                          at(a.dw), at(a.db), end - begin);
  });
}

void rms_norm_forward_rows(const RmsNormForward& a, int64_t begin, int64_t end) {
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> x = as_heads<A>(a.x), y = as_heads<A>(a.y);
    for (int64_t i = begin; i < end; ++i)
      for (int64_t h = 0; h < a.x.count(); ++h)
        rms_row<A>(x.head(i, h), a.w.row<float>(0), y.head(i, h), a.stats.row<float>(i) + h, a.eps,
                   a.offset, a.x.size);
  });
}

void rms_norm_backward_rows(const RmsNormBackward& a, int64_t begin, int64_t end) {
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> x = as_heads<A>(a.x), dy = as_heads<A>(a.dy), dx = as_heads<A>(a.dx);
    const auto back = a.add_dx ? rms_back_row<true, A> : rms_back_row<false, A>;
    for (int64_t i = begin; i < end; ++i)
      for (int64_t h = 0; h < a.x.count(); ++h)
        back(x.head(i, h), a.w.row<float>(0), a.stats.row<float>(i)[h], dy.head(i, h),
             dx.head(i, h), a.offset, a.x.size);
  });
}

/// Columns [begin, end): rows and heads meet in dw.
void rms_norm_backward_cols(const RmsNormBackward& a, int64_t begin, int64_t end) {
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> x = as_heads<A>(a.x), dy = as_heads<A>(a.dy);
    for (int64_t i = 0; i < a.x.rows.rows; ++i)
      for (int64_t h = 0; h < a.x.count(); ++h)
        rms_weights_row<A>(x.head(i, h) + begin, a.stats.row<float>(i)[h], dy.head(i, h) + begin,
                           a.dw.row<float>(0) + begin, end - begin);
  });
}

void cross_entropy_rows(const CrossEntropy& a, int64_t begin, int64_t end) {
  const int32_t* targets = a.targets.row<int32_t>(0);
  with_type(a.dlogits ? a.dlogits.dtype : Dtype::kF32, [&]<class D>(Type<D>) {
    for (int64_t i = begin; i < end; ++i)
      cross_entropy_row<D>(a.logits.row<float>(i), targets[i], a.losses.row<float>(i),
                           row_or_null<D>(a.dlogits, i), a.scale, a.logits.cols);
  });
}

void adamw_range(const AdamW& a, int64_t begin, int64_t end) {
  const scalar::AdamWConstants c(a);
  const F32 d;
  float *w = a.w.row<float>(0) + begin, *m = a.m.row<float>(0) + begin;
  float* v = a.v.row<float>(0) + begin;
  const float* g = a.g.row<float>(0) + begin;
  const auto set = [&](float value) { return hn::Set(d, value); };
  for_vectors(end - begin, [&](int64_t at, auto access) {
    const VecF gradient = hn::Mul(access(g, at), set(c.grad_scale));
    const VecF m_old = access(m, at);
    const VecF m_new = hn::MulAdd(set(c.one_minus_beta1), hn::Sub(gradient, m_old), m_old);
    const VecF squared = hn::Mul(hn::Mul(set(c.one_minus_beta2), gradient), gradient);
    const VecF v_new = hn::MulAdd(set(c.beta2), access(v, at), squared);
    const VecF root = hn::Add(hn::Div(hn::Sqrt(v_new), set(c.root)), set(c.eps));
    const VecF change = hn::Div(hn::Mul(set(c.step_size), m_new), root);
    access.put(m_new, m, at);
    access.put(v_new, v, at);
    access.put(hn::Sub(hn::Mul(access(w, at), set(c.decay)), change), w, at);
  });
}

void sgd_range(const Sgd& a, int64_t begin, int64_t end) {
  const F32 d;
  float* w = a.w.row<float>(0) + begin;
  const float* g = a.g.row<float>(0) + begin;
  const VecF lr = hn::Set(d, static_cast<float>(a.lr));
  const VecF decay = hn::Set(d, static_cast<float>(a.weight_decay));
  const VecF grad_scale = hn::Set(d, static_cast<float>(a.grad_scale));
  for_vectors(end - begin, [&](int64_t at, auto access) {
    const VecF old = access(w, at);
    const VecF gradient = hn::MulAdd(access(g, at), grad_scale, hn::Mul(decay, old));
    access.put(hn::NegMulAdd(lr, gradient, old), w, at);
  });
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"
#include "ops/kernels.h"

namespace falconer::cpu {

HWY_EXPORT(norm_forward_rows);
HWY_EXPORT(norm_backward_rows);
HWY_EXPORT(norm_backward_cols);
HWY_EXPORT(rms_norm_forward_rows);
HWY_EXPORT(rms_norm_backward_rows);
HWY_EXPORT(rms_norm_backward_cols);
HWY_EXPORT(cross_entropy_rows);
HWY_EXPORT(adamw_range);
HWY_EXPORT(sgd_range);

void norm_forward(const NormForward& args) {
  parallel_for(args.x.rows, 4, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(norm_forward_rows)(args, begin, end);
  });
}

void norm_backward_x(const NormBackward& args) {
  parallel_for(args.x.rows, 4, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(norm_backward_rows)(args, begin, end);
  });
}

void norm_backward_w(const NormBackward& args) {
  parallel_for(args.x.cols, 256, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(norm_backward_cols)(args, begin, end);
  });
}

void rms_norm_forward(const RmsNormForward& args) {
  parallel_for(args.x.rows.rows, 4, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rms_norm_forward_rows)(args, begin, end);
  });
}

void rms_norm_backward_x(const RmsNormBackward& args) {
  parallel_for(args.x.rows.rows, 4, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rms_norm_backward_rows)(args, begin, end);
  });
}

void rms_norm_backward_w(const RmsNormBackward& args) {
  // Heads share few columns: there is as much of each to add as of a row's in norm_backward_w.
  const int64_t grain = std::max<int64_t>(32, 256 / args.x.count());
  parallel_for(args.x.size, grain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rms_norm_backward_cols)(args, begin, end);
  });
}

void cross_entropy(const CrossEntropy& args) {
  parallel_for(args.logits.rows, 1, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(cross_entropy_rows)(args, begin, end);
  });
}

// What is kept in less than f32 costs more than vectors would save: random bits, and codes to look up.
void adamw(const AdamW& args) {
  if (args.w.dtype != Dtype::kF32 || args.m.dtype != Dtype::kF32)
    return scalar_kernels().adamw(args);
  parallel_for(args.w.size(), 1 << 14, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(adamw_range)(args, begin, end);
  });
}

void sgd(const Sgd& args) {
  if (args.w.dtype != Dtype::kF32) return scalar_kernels().sgd(args);
  parallel_for(args.w.size(), 1 << 14, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(sgd_range)(args, begin, end);
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
