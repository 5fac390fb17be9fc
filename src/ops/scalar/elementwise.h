// The readable definitions of gelu, gated units, soft_cap, scale, residual, affine and dropout.
#pragma once

#include <numbers>

#include "base/random.h"
#include "ops/gated.h"
#include "ops/scalar/number.h"

namespace falconer::scalar {

/// a(z) of ops/gated.h.
template <class R>
R activate(Activation act, R z) {
  if (act == Activation::kSilu) return z / (R(1) + exp(-z));
  if (act == Activation::kGelu) return R(0.5) * z * (R(1) + erf(z * R(std::numbers::sqrt2 / 2)));
  const R u = R(std::numbers::inv_sqrtpi * std::numbers::sqrt2) * (z + R(0.044715) * z * z * z);
  return R(0.5) * z * (R(1) + tanh(u));
}

/// a'(z).
template <class R>
R activation_slope(Activation act, R z) {
  if (act == Activation::kSilu) {
    const R s = R(1) / (R(1) + exp(-z));
    return s * (R(1) + z * (R(1) - s));
  }
  if (act == Activation::kGelu) {
    const R density = R(std::numbers::inv_sqrtpi * std::numbers::sqrt2 / 2);  // 1 / sqrt(2 pi)
    return R(0.5) * (R(1) + erf(z * R(std::numbers::sqrt2 / 2))) +
           z * density * exp(R(-0.5) * z * z);
  }
  const R root = R(std::numbers::inv_sqrtpi * std::numbers::sqrt2);  // sqrt(2 / pi)
  const R t = tanh(root * (z + R(0.044715) * z * z * z));
  const R du = root * (R(1) + R(3 * 0.044715) * z * z);
  return R(0.5) * (R(1) + t) + R(0.5) * z * (R(1) - t * t) * du;
}

constexpr Activation gelu_form(bool approximate) {
  return approximate ? Activation::kGeluTanh : Activation::kGelu;
}

/// Rows of y.
template <class A>
void gelu_forward(Mat<const A> x, Mat<A> y, int64_t begin, int64_t end, bool approximate = false) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < x.cols; ++c)
      y(n, c) = A(activate(gelu_form(approximate), Real<A>(x(n, c))));
}

/// Rows of d.
template <class A>
void gelu_backward(Mat<const A> x, Mat<A> d, int64_t begin, int64_t end, bool approximate = false) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < x.cols; ++c)
      d(n, c) = A(R(d(n, c)) * activation_slope(gelu_form(approximate), R(x(n, c))));
}

/// Rows of y.
template <class A>
void gated_forward(Mat<const A> gate, Mat<const A> up, Mat<A> y, Activation act, int64_t begin,
                   int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < y.cols; ++c) y(n, c) = A(activate(act, R(gate(n, c))) * R(up(n, c)));
}

/// Rows of dgate and dup.
template <class A>
void gated_backward(Mat<const A> gate, Mat<const A> up, Mat<const A> dy, Mat<A> dgate, Mat<A> dup,
                    Activation act, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < dy.cols; ++c) {
      const R z = R(gate(n, c)), u = R(up(n, c)), d = R(dy(n, c));
      if (dgate) dgate(n, c) = A(d * u * activation_slope(act, z));
      if (dup) dup(n, c) = A(d * activate(act, z));
    }
}

/// Rows of x, in place.
template <class A>
void soft_cap_forward(Mat<A> x, Real<A> cap, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < x.cols; ++c) x(n, c) = A(cap * tanh(Real<A>(x(n, c)) / cap));
}

/// Rows of d, in place.
template <class A, class Y>
void soft_cap_backward(Mat<const Y> y, Mat<A> d, Real<A> cap, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < d.cols; ++c) {
      const R t = R(y(n, c)) / cap;
      d(n, c) = A(R(d(n, c)) * (R(1) - t * t));
    }
}

/// Rows of x, in place.
template <class A>
void scale(Mat<A> x, Real<A> factor, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < x.cols; ++c) x(n, c) = A(Real<A>(x(n, c)) * factor);
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
