// The readable definitions of the optimizers and of DoRA's norms.
#pragma once

#include "ops/optimizer.h"
#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Elements begin .. end-1. Constants are formed in double and rounded once, as torch does.
inline void adamw(const AdamW& a, int64_t begin, int64_t end) {
  float *w = a.w.row<float>(0), *m = a.m.row<float>(0), *v = a.v.row<float>(0);
  const float* g = a.g.row<float>(0);
  const double steps = static_cast<double>(a.step);
  const double correction1 = 1 - std::pow(static_cast<double>(a.beta1), steps);
  const double correction2 = 1 - std::pow(static_cast<double>(a.beta2), steps);
  const float decay = static_cast<float>(1 - static_cast<double>(a.lr) * a.weight_decay);
  const float step_size = static_cast<float>(a.lr / correction1);
  const float root = static_cast<float>(std::sqrt(correction2));
  for (int64_t i = begin; i < end; ++i) {
    const float gradient = g[i] * a.grad_scale;
    w[i] *= decay;
    m[i] += (1 - a.beta1) * (gradient - m[i]);
    v[i] = a.beta2 * v[i] + (1 - a.beta2) * gradient * gradient;
    w[i] -= step_size * m[i] / (std::sqrt(v[i]) / root + a.eps);
  }
}

inline void sgd(const Sgd& a, int64_t begin, int64_t end) {
  float* w = a.w.row<float>(0);
  const float* g = a.g.row<float>(0);
  for (int64_t i = begin; i < end; ++i)
    w[i] -= a.lr * (g[i] * a.grad_scale + a.weight_decay * w[i]);
}

/// Elements of out.
template <class W, class R>
void row_squares(Mat<const W> w, Mat<R> out, int64_t begin, int64_t end) {
  for (int64_t m = begin; m < end; ++m) {
    double sum = 0;
    for (int64_t k = 0; k < w.cols; ++k) {
      const double x = static_cast<float>(w(m, k));
      sum += x * x;
    }
    out(0, m) = R(sum);
  }
}

/// Elements of norms.
template <class R>
void dora_norms(Mat<const R> w_squares, Mat<const R> u, Mat<const R> gram, Mat<const R> b,
                Mat<R> norms, double scale, int64_t begin, int64_t end) {
  for (int64_t m = begin; m < end; ++m) {
    double linear = 0, square = 0;
    for (int64_t i = 0; i < b.cols; ++i) {
      linear += static_cast<double>(b(m, i)) * u(i, m);
      for (int64_t j = 0; j < b.cols; ++j)
        square += static_cast<double>(b(m, i)) * gram(i, j) * b(m, j);
    }
    norms(0, m) = R(sqrt(w_squares(0, m) + 2 * scale * linear + scale * scale * square));
  }
}

}  // namespace falconer::scalar
