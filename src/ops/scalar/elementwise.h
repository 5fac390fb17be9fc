// The readable definitions of gelu, residual, affine and dropout.
#pragma once

#include <numbers>

#include "base/random.h"
#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Rows of y.
template <class A>
void gelu_forward(Mat<const A> x, Mat<A> y, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < x.cols; ++c) {
      const R z = R(x(n, c));
      y(n, c) = A(R(0.5) * z * (R(1) + erf(z * R(std::numbers::sqrt2 / 2))));
    }
}

/// Rows of d.
template <class A>
void gelu_backward(Mat<const A> x, Mat<A> d, int64_t begin, int64_t end) {
  using R = Real<A>;
  const R density = R(std::numbers::inv_sqrtpi * std::numbers::sqrt2 / 2);  // 1 / sqrt(2 pi)
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < x.cols; ++c) {
      const R z = R(x(n, c));
      const R slope = R(0.5) * (R(1) + erf(z * R(std::numbers::sqrt2 / 2))) +
                      z * density * exp(R(-0.5) * z * z);
      d(n, c) = A(R(d(n, c)) * slope);
    }
}

/// Rows of y.
template <class A>
void residual(Mat<const A> x, Mat<const A> a, Mat<const A> b, Mat<A> y, int64_t begin,
              int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < y.cols; ++c) {
      R sum = R(x(n, c)) + R(a(n, c));
      if (b) sum += R(b(n, c));
      y(n, c) = A(sum);
    }
}

/// Rows of y, in place.
template <class A, class K>
void affine_forward(Mat<A> y, Mat<const Real<A>> scale, Mat<const Real<A>> bias,
                    Mat<const Real<A>> about, Mat<K> kept, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < y.cols; ++c) {
      R a = R(y(n, c));
      if (bias) a += bias(0, c);
      if (about) a = a - about(0, c);
      if (kept) kept(n, c) = K(a);
      R out = scale(0, c) * a;
      if (about) out += about(0, c);
      y(n, c) = A(out);
    }
}

/// Columns of d, in place, with dscale and dbias.
template <class A, class K>
void affine_backward(Mat<const K> kept, Mat<const Real<A>> scale, Mat<A> d, Mat<Real<A>> dscale,
                     Mat<Real<A>> dbias, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = 0; n < d.rows; ++n)
    for (int64_t c = begin; c < end; ++c) {
      const R dy = R(d(n, c)), dx = dy * scale(0, c);
      if (dscale) dscale(0, c) += dy * R(kept(n, c));
      if (dbias) dbias(0, c) += dx;
      d(n, c) = A(dx);
    }
}

/// Rows of x.
template <class A>
void fill_normal(Mat<A> x, RandomStream stream, float std, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < x.cols; ++c)
      x(n, c) = A(std * stream.normal(static_cast<uint64_t>(n * x.cols + c)));
}

/// Rows of y.
template <class A>
void dropout(Mat<const A> x, Mat<A> y, double p, RandomStream stream, uint64_t first, bool add,
             int64_t begin, int64_t end) {
  using R = Real<A>;
  const R scale = R(1.0 / (1.0 - p));
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < y.cols; ++c) {
      const bool on =
          stream.uniform(first + static_cast<uint64_t>(n * y.cols + c)) >= static_cast<float>(p);
      const R kept = on ? R(x(n, c)) * scale : R(0);
      y(n, c) = A(add ? R(y(n, c)) + kept : kept);
    }
}

}  // namespace falconer::scalar
