// The readable definitions of the optimizers and of DoRA's norms.
#pragma once

#include <algorithm>

#include "ops/moment_code.h"
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

/// Weights that are written one after the other: bf16 rounded stochastically. Begins at a multiple of 8.
template <class W>
class RoundedWeights {
 public:
  RoundedWeights(const View& w, const RandomStream& stream) : w_(w.row<W>(0)), stream_(stream) {}
  float operator[](int64_t i) const { return static_cast<float>(w_[i]); }
  void put(int64_t i, float x) {
    if constexpr (std::is_same_v<W, float>) {
      w_[i] = x;
    } else {
      if (i % 8 == 0) words_ = stream_.block(static_cast<uint64_t>(i / 8));
      w_[i] = round_stochastic(x, words_[static_cast<size_t>(i % 8 / 2)] >> (16 * (i % 2)));
    }
  }

 private:
  W* w_;
  RandomStream stream_;
  PhiloxBlock words_{};
};

inline void decode_moments(const View& coded, const View& scales, const MomentCode& code,
                           int64_t at, int64_t n, float* to) {
  const float scale = scales.row<float>(0)[at / kMomentBlock];
  for (int64_t i = 0; i < n; ++i) to[i] = code.value[coded.row<uint8_t>(0)[at + i]] * scale;
}

template <class Code>
void code_moments(const float* from, int64_t at, int64_t n, const View& coded, const View& scales,
                  const Code& code_of) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(from[i]));
  scales.row<float>(0)[at / kMomentBlock] = most;
  for (int64_t i = 0; i < n; ++i)
    coded.row<uint8_t>(0)[at + i] = code_of(most > 0 ? from[i] / most : 0.0f);
}

/// n elements from `at` on, with their moments in f32.
template <class W>
void adamw_elements(const AdamW& a, const AdamWConstants& c, int64_t at, int64_t n, float* m,
                    float* v) {
  RoundedWeights<W> w(a.w, a.rounding);
  const float* g = a.g.row<float>(0) + at;
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * c.grad_scale;
    m[i] += c.one_minus_beta1 * (gradient - m[i]);
    v[i] = c.beta2 * v[i] + c.one_minus_beta2 * gradient * gradient;
    const float change = c.step_size * m[i] / (std::sqrt(v[i]) / c.root + c.eps);
    w.put(at + i, w[at + i] * c.decay - change);
  }
}

/// Elements begin .. end-1; begin is a multiple of kMomentBlock.
template <class W>
void adamw(const AdamW& a, int64_t begin, int64_t end) {
  const AdamWConstants c(a);
  if (a.m.dtype == Dtype::kF32)
    return adamw_elements<W>(a, c, begin, end - begin, a.m.row<float>(0) + begin,
                             a.v.row<float>(0) + begin);
  for (int64_t at = begin; at < end; at += kMomentBlock) {
    const int64_t n = std::min(kMomentBlock, end - at);
    float m[kMomentBlock], v[kMomentBlock];
    decode_moments(a.m, a.m_scale, kFirstMomentCode, at, n, m);
    decode_moments(a.v, a.v_scale, kSecondMomentCode, at, n, v);
    adamw_elements<W>(a, c, at, n, m, v);
    code_moments(m, at, n, a.m, a.m_scale,
                 [](float x) { return nearest_code(kFirstMomentCode, x); });
    code_moments(v, at, n, a.v, a.v_scale,
                 [](float x) { return second_moment_code(kSecondMomentCode, x); });
  }
}

/// Elements begin .. end-1; begin is a multiple of kMomentBlock.
template <class W>
void sgd(const Sgd& a, int64_t begin, int64_t end) {
  const float lr = static_cast<float>(a.lr), decay = static_cast<float>(a.weight_decay);
  const float grad_scale = static_cast<float>(a.grad_scale);
  RoundedWeights<W> w(a.w, a.rounding);
  const float* g = a.g.row<float>(0);
  for (int64_t i = begin; i < end; ++i) w.put(i, w[i] - lr * (g[i] * grad_scale + decay * w[i]));
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
