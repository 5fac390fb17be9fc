// The readable definitions of layer normalisation and of that by the root mean square.
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
    for (int64_t c = 0; c < x.cols; ++c) {
      const R scaled = (R(x(n, c)) - mean) * rstd * w(0, c);
      y(n, c) = A(b ? scaled + b(0, c) : scaled);
    }
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

/// Rows of y and stats.
template <class A>
void rms_norm_forward(HeadsMat<const A> x, Mat<const Real<A>> w, HeadsMat<A> y, Mat<Real<A>> stats,
                      double eps, double offset, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t h = 0; h < x.groups * x.per_group; ++h) {
      const A* from = x.head(n, h);
      A* to = y.head(n, h);
      R squares = 0;
      for (int64_t c = 0; c < x.size; ++c) squares += R(from[c]) * R(from[c]);
      const R r = R(1) / sqrt(squares / R(static_cast<double>(x.size)) + R(eps));
      for (int64_t c = 0; c < x.size; ++c) to[c] = A(R(from[c]) * r * (R(offset) + w(0, c)));
      stats(n, h) = r;
    }
}

/// Rows of dx.
template <class A>
void rms_norm_backward_x(HeadsMat<const A> x, Mat<const Real<A>> w, Mat<const Real<A>> stats,
                         HeadsMat<const A> dy, HeadsMat<A> dx, double offset, bool add,
                         int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = begin; n < end; ++n)
    for (int64_t h = 0; h < x.groups * x.per_group; ++h) {
      const A *own = x.head(n, h), *d_out = dy.head(n, h);
      A* to = dx.head(n, h);
      const R r = stats(n, h);
      R mean_dh = 0;
      for (int64_t c = 0; c < x.size; ++c)
        mean_dh += R(d_out[c]) * (R(offset) + w(0, c)) * R(own[c]) * r;
      mean_dh = mean_dh / R(static_cast<double>(x.size));
      for (int64_t c = 0; c < x.size; ++c) {
        const R d = R(d_out[c]) * (R(offset) + w(0, c));
        const R own_dx = r * (d - R(own[c]) * r * mean_dh);
        to[c] = A(add ? R(to[c]) + own_dx : own_dx);
      }
    }
}

/// Columns of dw.
template <class A>
void rms_norm_backward_w(HeadsMat<const A> x, Mat<const Real<A>> stats, HeadsMat<const A> dy,
                         Mat<Real<A>> dw, int64_t begin, int64_t end) {
  using R = Real<A>;
  for (int64_t n = 0; n < x.rows.rows; ++n)
    for (int64_t h = 0; h < x.groups * x.per_group; ++h)
      for (int64_t c = begin; c < end; ++c)
        dw(0, c) += R(dy.head(n, h)[c]) * R(x.head(n, h)[c]) * stats(n, h);
}

}  // namespace falconer::scalar
