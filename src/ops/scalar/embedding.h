// The readable definition of embedding and gather.
#pragma once

#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Rows of y.
template <class W, class A>
void embedding_forward(const int32_t* ids, Mat<const W> w, Mat<A> y, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < y.cols; ++c) y(n, c) = A(Real<A>(w(ids[n], c)));
}

/// Columns of dw: rows of dw recur, so threads share columns.
template <class A>
void embedding_backward(const int32_t* ids, Mat<const A> dy, Mat<Real<A>> dw, int64_t begin,
                        int64_t end) {
  for (int64_t n = 0; n < dy.rows; ++n)
    for (int64_t c = begin; c < end; ++c) dw(ids[n], c) += Real<A>(dy(n, c));
}

/// Rows of y.
template <class A>
void gather_forward(Mat<const A> x, const int32_t* index, Mat<A> y, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < y.cols; ++c) y(n, c) = x(index[n], c);
}

/// All of dx.
template <class A>
void gather_backward(Mat<const A> dy, const int32_t* index, Mat<A> dx) {
  for (int64_t n = 0; n < dx.rows; ++n)
    for (int64_t c = 0; c < dx.cols; ++c) dx(n, c) = A(Real<A>(0));
  for (int64_t n = 0; n < dy.rows; ++n)
    for (int64_t c = 0; c < dx.cols; ++c) dx(index[n], c) = dy(n, c);
}

}  // namespace falconer::scalar
