// The readable definition of layer normalisation.
#pragma once

#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Rows of y and stats.
template <class A>
void norm_forward(Mat<const A> x, Mat<const Real<A>> w, Mat<const Real<A>> b, Mat<A> y,
                  Mat<Real<A>> stats, double eps, int64_t begin, int64_t end) {
  using R = Real<A>;
  const R count = R(static_cast<double>(x.cols));
  for (int64_t n = begin; n < end; ++n) {
    R mean = 0, variance = 0;
    for (int64_t c = 0; c < x.cols; ++c) mean += R(x(n, c));
    mean = mean / count;
    for (int64_t c = 0; c < x.cols; ++c) {
      const R d = R(x(n, c)) - mean;
      variance += d * d;
    }
    const R rstd = R(1) / sqrt(variance / count + R(eps));
    for (int64_t c = 0; c < x.cols; ++c)
      y(n, c) = A((R(x(n, c)) - mean) * rstd * w(0, c) + b(0, c));
    stats(n, 0) = mean;
    stats(n, 1) = rstd;
  }
}

/// Rows of dx.
template <class A>
void norm_backward_x(Mat<const A> x, Mat<const Real<A>> w, Mat<const Real<A>> stats,
                     Mat<const A> dy, Mat<A> dx_add, int64_t begin, int64_t end) {
  using R = Real<A>;
  const R count = R(static_cast<double>(x.cols));
  for (int64_t n = begin; n < end; ++n) {
    const R mean = stats(n, 0), rstd = stats(n, 1);
    R mean_d = 0, mean_dh = 0;
    for (int64_t c = 0; c < x.cols; ++c) {
      const R d = R(dy(n, c)) * w(0, c);
      mean_d += d;
      mean_dh += d * (R(x(n, c)) - mean) * rstd;
    }
    mean_d = mean_d / count;
    mean_dh = mean_dh / count;
    for (int64_t c = 0; c < x.cols; ++c) {
      const R h = (R(x(n, c)) - mean) * rstd;
      const R d = R(dy(n, c)) * w(0, c);
      dx_add(n, c) = A(R(dx_add(n, c)) + rstd * (d - mean_d - h * mean_dh));
    }
  }
}

/// Columns of dw and db.
template <class A>
void norm_backward_w(Mat<const A> x, Mat<const Real<A>> stats, Mat<const A> dy, Mat<Real<A>> dw,
                     Mat<Real<A>> db, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = 0; n < x.rows; ++n)
    for (int64_t c = begin; c < end; ++c) {
      const R d = R(dy(n, c));
      if (dw) dw(0, c) += d * (R(x(n, c)) - stats(n, 0)) * stats(n, 1);
      if (db) db(0, c) += d;
    }
}

}  // namespace falconer::scalar
