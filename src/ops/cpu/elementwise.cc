#include "ops/cpu/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/elementwise.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/contrib/math/math-inl.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

template <class From, class To>
void convert_row(const From* from, To* to, int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) { access.put(access(from, at), to, at); });
}

template <class A>
void residual_row(const A* x, const A* a, const A* b, A* y, int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    VecF sum = hn::Add(access(x, at), access(a, at));
    if (b != nullptr) sum = hn::Add(sum, access(b, at));
    access.put(sum, y, at);
  });
}

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

template <class A>
void gelu_row(const A* x, A* y, int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF z = access(x, at);
    access.put(hn::Mul(z, normal(z).distribution), y, at);
  });
}

template <class A>
void gelu_back_row(const A* x, A* grad, int64_t n) {
  const F32 d;
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF z = access(x, at);
    const Normal at_z = normal(z);
    const VecF density = hn::Mul(at_z.bell, hn::Set(d, 0.3989422804014327f));
    const VecF slope = hn::MulAdd(z, density, at_z.distribution);
    access.put(hn::Mul(access(grad, at), slope), grad, at);
  });
}

template <class A, class K>
void affine_row(A* y, const float* scale, const float* bias, const float* about, K* kept,
                int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    VecF a = access(y, at);
    if (bias != nullptr) a = hn::Add(a, access(bias, at));
    if (about != nullptr) a = hn::Sub(a, access(about, at));
    if (kept != nullptr) access.put(a, kept, at);
    const VecF scaled = hn::Mul(access(scale, at), a);
    access.put(about != nullptr ? hn::Add(scaled, access(about, at)) : scaled, y, at);
  });
}

template <class A, class K>
void affine_back_row(const K* kept, const float* scale, A* grad, float* dscale, float* dbias,
                     int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    const VecF dy = access(grad, at), dx = hn::Mul(dy, access(scale, at));
    if (dscale != nullptr)
      access.put(hn::MulAdd(dy, access(kept, at), access(dscale, at)), dscale, at);
    if (dbias != nullptr) access.put(hn::Add(access(dbias, at), dx), dbias, at);
    access.put(dx, grad, at);
  });
}

/// One head: pairs (i, i + half) turn by the row's angles.
template <class A>
void rope_head(A* head, const float* angles, int64_t half, float sign) {
  const F32 d;
  for_vectors(half, [&](int64_t at, auto access) {
    const VecF cosine = access(angles, at);
    const VecF sine = hn::Mul(hn::Set(d, sign), access(angles + half, at));
    const VecF a = access(head, at), b = access(head + half, at);
    access.put(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), head, at);
    access.put(hn::MulAdd(a, sine, hn::Mul(b, cosine)), head + half, at);
  });
}

template <class A>
void add_row(const A* x, float* sum, int64_t n) {
  for_vectors(n, [&](int64_t at, auto access) {
    access.put(hn::Add(access(sum, at), access(x, at)), sum, at);
  });
}

// ---- the same over rows [begin, end) of whole arguments, for every dtype

void convert_rows(const View& from, const View& to, int64_t begin, int64_t end) {
  with_type(from.dtype, [&]<class From>(Type<From>) {
    with_type(to.dtype, [&]<class To>(Type<To>) {
      for (int64_t i = begin; i < end; ++i)
        convert_row<From, To>(from.row<From>(i), to.row<To>(i), from.cols);
    });
  });
}

void residual_rows(const Residual& a, int64_t begin, int64_t end) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = begin; i < end; ++i)
      residual_row<A>(a.x.row<A>(i), a.a.row<A>(i), row_or_null<A>(a.b, i), a.y.row<A>(i),
                      a.y.cols);
  });
}

void gelu_forward_rows(const GeluForward& a, int64_t begin, int64_t end) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = begin; i < end; ++i) gelu_row<A>(a.x.row<A>(i), a.y.row<A>(i), a.y.cols);
  });
}

void gelu_backward_rows(const GeluBackward& a, int64_t begin, int64_t end) {
  with_type(a.d.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = begin; i < end; ++i) gelu_back_row<A>(a.x.row<A>(i), a.d.row<A>(i), a.d.cols);
  });
}

void affine_forward_rows(const AffineForward& a, int64_t begin, int64_t end) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    with_type(a.a ? a.a.dtype : a.y.dtype, [&]<class K>(Type<K>) {
      for (int64_t i = begin; i < end; ++i)
        affine_row<A, K>(a.y.row<A>(i), a.scale.row<float>(0), row_or_null<float>(a.bias, 0),
                         row_or_null<float>(a.about, 0), row_or_null<K>(a.a, i), a.y.cols);
    });
  });
}

/// Columns [begin, end): rows meet in dscale and dbias.
void affine_backward_cols(const AffineBackward& a, int64_t begin, int64_t end) {
  const auto at = [&](const View& v) { return v ? v.row<float>(0) + begin : nullptr; };
  with_type(a.d.dtype, [&]<class A>(Type<A>) {
    with_type(a.a ? a.a.dtype : a.d.dtype, [&]<class K>(Type<K>) {
      for (int64_t i = 0; i < a.d.rows; ++i)
        affine_back_row<A, K>(a.a ? a.a.row<K>(i) + begin : nullptr, at(a.scale),
                              a.d.row<A>(i) + begin, at(a.dscale), at(a.dbias), end - begin);
    });
  });
}

void rope_rows(const Rope& a, int64_t begin, int64_t end) {
  const int32_t* positions = a.positions.row<int32_t>(0);
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> x = as_heads<A>(a.x);
    for (int64_t i = begin; i < end; ++i)
      for (int64_t h = 0; h < a.x.count(); ++h)
        rope_head<A>(x.head(i, h), a.table.row<float>(positions[i]), a.table.cols / 2,
                     a.inverse ? -1.0f : 1.0f);
  });
}

void embedding_rows(const EmbeddingForward& a, int64_t begin, int64_t end) {
  const int32_t* ids = a.ids.row<int32_t>(0);
  with_type(a.w.dtype, [&]<class W>(Type<W>) {
    with_type(a.y.dtype, [&]<class A>(Type<A>) {
      for (int64_t i = begin; i < end; ++i)
        convert_row<W, A>(a.w.row<W>(ids[i]), a.y.row<A>(i), a.y.cols);
    });
  });
}

void column_sums(const LinearBackward& a, int64_t begin, int64_t end) {
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = 0; i < a.dy.rows; ++i)
      add_row<A>(a.dy.row<A>(i) + begin, a.db.row<float>(0) + begin, end - begin);
  });
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"
#include "ops/kernels.h"

namespace falconer::cpu {

HWY_EXPORT(convert_rows);
HWY_EXPORT(residual_rows);
HWY_EXPORT(gelu_forward_rows);
HWY_EXPORT(gelu_backward_rows);
HWY_EXPORT(affine_forward_rows);
HWY_EXPORT(affine_backward_cols);
HWY_EXPORT(rope_rows);
HWY_EXPORT(embedding_rows);
HWY_EXPORT(column_sums);

namespace {

/// Rows that make a thread worth its start: about 16 K elements.
int64_t grain_of(int64_t cols) {
  return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, cols));
}

/// Columns are shared out in whole cache lines.
constexpr int64_t kColumnGrain = 256;

}  // namespace

void convert(const View& from, const View& to) {
  const auto fast = [](Dtype dtype) { return dtype == Dtype::kF32 || dtype == Dtype::kBF16; };
  if (!fast(from.dtype) || !fast(to.dtype)) return copy_converted(from, to);
  FALCONER_CHECK(same_shape(from, to));
  parallel_for(from.rows, grain_of(from.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(convert_rows)(from, to, begin, end);
  });
}

void residual(const Residual& args) {
  parallel_for(args.y.rows, grain_of(args.y.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(residual_rows)(args, begin, end);
  });
}

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

void affine_forward(const AffineForward& args) {
  parallel_for(args.y.rows, grain_of(args.y.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(affine_forward_rows)(args, begin, end);
  });
}

void affine_backward(const AffineBackward& args) {
  parallel_for(args.d.cols, kColumnGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(affine_backward_cols)(args, begin, end);
  });
}

void rope(const Rope& args) {
  parallel_for(args.x.rows.rows, grain_of(args.x.count() * args.x.size),
               [&](int64_t begin, int64_t end) {
                 HWY_DYNAMIC_DISPATCH(rope_rows)(args, begin, end);
               });
}

void embedding_forward(const EmbeddingForward& args) {
  // A few rows for each token: the readable definition reads f16 fast enough.
  if (args.w.dtype == Dtype::kF16) return scalar_kernels().embedding_forward(args);
  parallel_for(args.y.rows, grain_of(args.y.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(embedding_rows)(args, begin, end);
  });
}

void column_sums(const LinearBackward& args) {
  parallel_for(args.db.size(), kColumnGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(column_sums)(args, begin, end);
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
