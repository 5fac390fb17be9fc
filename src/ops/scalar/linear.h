// The readable definition of linear. Rows begin .. end-1 of the output, so that threads can share
// the work.
#pragma once

#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Rows of y.
template <class A, class W, class Y>
void linear_forward(Mat<const A> x, Mat<const W> w, Mat<const Real<A>> b, Mat<Y> y, Real<A> scale,
                    bool add, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t m = 0; m < w.rows; ++m) {
      Real<A> sum = 0;
      for (int64_t k = 0; k < w.cols; ++k) sum += Real<A>(x(n, k)) * Real<A>(w(m, k));
      Real<A> out = scale * sum;
      if (b) out += b(0, m);
      if (add) out += Real<A>(y(n, m));
      y(n, m) = Y(out);
    }
}

/// Rows of dx.
template <class A, class W>
void linear_backward_x(Mat<const A> dy, Mat<const W> w, Mat<A> dx, Real<A> scale, bool add,
                       int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t k = 0; k < w.cols; ++k) {
      Real<A> sum = 0;
      for (int64_t m = 0; m < w.rows; ++m) sum += Real<A>(dy(n, m)) * Real<A>(w(m, k));
      Real<A> out = scale * sum;
      if (add) out += Real<A>(dx(n, k));
      dx(n, k) = A(out);
    }
}

/// Rows of dw.
template <class A>
void linear_backward_w(Mat<const A> x, Mat<const A> dy, Mat<Real<A>> dw, Real<A> scale,
                       int64_t begin, int64_t end) {
  for (int64_t m = begin; m < end; ++m)
    for (int64_t n = 0; n < dy.rows; ++n) {
      const Real<A> d = scale * Real<A>(dy(n, m));
      for (int64_t k = 0; k < x.cols; ++k) dw(m, k) += d * Real<A>(x(n, k));
    }
}

/// Elements of db.
template <class A>
void linear_backward_b(Mat<const A> dy, Mat<Real<A>> db, int64_t begin, int64_t end) {
  for (int64_t m = begin; m < end; ++m)
    for (int64_t n = 0; n < dy.rows; ++n) db(0, m) += Real<A>(dy(n, m));
}

}  // namespace falconer::scalar
