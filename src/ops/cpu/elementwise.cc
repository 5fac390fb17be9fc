#include "ops/cpu/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/elementwise.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <vector>

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

template <class A>
void scale_row(A* x, float factor, int64_t n) {
  const VecF f = hn::Set(F32(), factor);
  for_vectors(n, [&](int64_t at, auto access) { access.put(hn::Mul(access(x, at), f), x, at); });
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

/// One head of pairs (2i, 2i+1); every cosine and sine stands twice, the first sine of a pair negated.
template <class A>
void rope_head_of_pairs(A* head, const float* cosines, const float* sines, int64_t dims) {
#if HWY_TARGET == HWY_SCALAR  // where a vector has no neighbours
  for (int64_t i = 0; i < dims; i += 2) {
    const float a = static_cast<float>(head[i]), b = static_cast<float>(head[i + 1]);
    head[i] = A(a * cosines[i] + b * sines[i]);
    head[i + 1] = A(b * cosines[i + 1] + a * sines[i + 1]);
  }
#else
  for_vectors(dims, [&](int64_t at, auto access) {
    const VecF x = access(head, at), other = hn::Reverse2(F32(), x);
    access.put(hn::MulAdd(other, access(sines, at), hn::Mul(x, access(cosines, at))), head, at);
  });
#endif
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

void scale_rows(const Scale& a, int64_t begin, int64_t end) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for (int64_t i = begin; i < end; ++i) scale_row<A>(a.x.row<A>(i), a.factor, a.x.cols);
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

void rope_rows_of_pairs(const Rope& a, int64_t begin, int64_t end) {
  const int32_t* positions = a.positions.row<int32_t>(0);
  const int64_t dims = a.table.cols;
  std::vector<float> doubled(static_cast<size_t>(2 * dims));
  float *cosines = doubled.data(), *sines = cosines + dims;
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> x = as_heads<A>(a.x);
    for (int64_t i = begin; i < end; ++i) {
      const float* angles = a.table.row<float>(positions[i]);
      for (int64_t d = 0; d < dims; ++d) {
        const float sine = angles[(dims + d) / 2];
        cosines[d] = angles[d / 2];
        sines[d] = (d % 2 == 0) == a.inverse ? sine : -sine;
      }
      for (int64_t h = 0; h < a.x.count(); ++h)
        rope_head_of_pairs<A>(x.head(i, h), cosines, sines, dims);
    }
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
HWY_EXPORT(scale_rows);
HWY_EXPORT(affine_forward_rows);
HWY_EXPORT(affine_backward_cols);
HWY_EXPORT(rope_rows);
HWY_EXPORT(rope_rows_of_pairs);
HWY_EXPORT(embedding_rows);
HWY_EXPORT(column_sums);

namespace {

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

void scale(const Scale& args) {
  parallel_for(args.x.rows, grain_of(args.x.cols), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(scale_rows)(args, begin, end);
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
                 if (args.interleaved)
                   HWY_DYNAMIC_DISPATCH(rope_rows_of_pairs)(args, begin, end);
                 else
                   HWY_DYNAMIC_DISPATCH(rope_rows)(args, begin, end);
               });
}

void embedding_forward(const EmbeddingForward& args) {
  // A few rows for each token: the readable definition reads f16 and blocks fast enough.
  if (args.w.dtype == Dtype::kF16 || is_blocks(args.w.dtype))
    return scalar_kernels().embedding_forward(args);
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
