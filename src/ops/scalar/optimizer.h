// The readable definitions of the optimizers and of DoRA's norms.
#pragma once

#include "ops/optimizer.h"
#include "ops/scalar/number.h"

namespace falconer::scalar {

/// AdamW's constants, formed in double and rounded once.
struct AdamWConstants {
  explicit AdamWConstants(const AdamW& a)
      : decay(static_cast<float>(1 - a.lr * a.weight_decay)),
        beta2(static_cast<float>(a.beta2)),
        one_minus_beta1(static_cast<float>(1 - a.beta1)),
        one_minus_beta2(static_cast<float>(1 - a.beta2)),
        step_size(static_cast<float>(a.lr / (1 - std::pow(a.beta1, static_cast<double>(a.step))))),
        root(static_cast<float>(std::sqrt(1 - std::pow(a.beta2, static_cast<double>(a.step))))),
        eps(static_cast<float>(a.eps)),
        grad_scale(static_cast<float>(a.grad_scale)) {}

  float decay, beta2, one_minus_beta1, one_minus_beta2, step_size, root, eps, grad_scale;
};

/// Elements begin .. end-1.
inline void adamw(const AdamW& a, int64_t begin, int64_t end) {
  const AdamWConstants c(a);
  float *w = a.w.row<float>(0), *m = a.m.row<float>(0), *v = a.v.row<float>(0);
  const float* g = a.g.row<float>(0);
  for (int64_t i = begin; i < end; ++i) {
    const float gradient = g[i] * c.grad_scale;
    w[i] *= c.decay;
    m[i] += c.one_minus_beta1 * (gradient - m[i]);
    v[i] = c.beta2 * v[i] + c.one_minus_beta2 * gradient * gradient;
    w[i] -= c.step_size * m[i] / (std::sqrt(v[i]) / c.root + c.eps);
  }
}

inline void sgd(const Sgd& a, int64_t begin, int64_t end) {
  const float lr = static_cast<float>(a.lr), decay = static_cast<float>(a.weight_decay);
  const float grad_scale = static_cast<float>(a.grad_scale);
  float* w = a.w.row<float>(0);
  const float* g = a.g.row<float>(0);
  for (int64_t i = begin; i < end; ++i) w[i] -= lr * (g[i] * grad_scale + decay * w[i]);
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
