// Forward-mode dual numbers: value and slope carried side by side through a scalar definition. What
// they give is exact to rounding, so they are the oracle of every backward.
#pragma once

#include <cmath>
#include <numbers>

#include "support/block.h"

namespace falconer::test {

/// value + slope h with h h = 0.
struct Dual {
  double value = 0, slope = 0;

  Dual() = default;
  Dual(double v, double s = 0) : value(v), slope(s) {}  // NOLINT: implicit, as double from int is
};

inline Dual operator-(Dual a) { return {-a.value, -a.slope}; }
inline Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
inline Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
inline Dual operator*(Dual a, Dual b) {
  return {a.value * b.value, a.value * b.slope + a.slope * b.value};
}
inline Dual operator/(Dual a, Dual b) {
  return {a.value / b.value, (a.slope * b.value - a.value * b.slope) / (b.value * b.value)};
}
inline Dual& operator+=(Dual& a, Dual b) { return a = a + b; }
inline Dual& operator-=(Dual& a, Dual b) { return a = a - b; }
inline Dual& operator*=(Dual& a, Dual b) { return a = a * b; }
inline Dual& operator/=(Dual& a, Dual b) { return a = a / b; }

// Order is that of the values.
inline bool operator<(Dual a, Dual b) { return a.value < b.value; }
inline bool operator>(Dual a, Dual b) { return a.value > b.value; }
inline bool operator<=(Dual a, Dual b) { return a.value <= b.value; }
inline bool operator>=(Dual a, Dual b) { return a.value >= b.value; }

// Found by argument-dependent lookup beside the std functions.
inline Dual exp(Dual a) { return {std::exp(a.value), a.slope * std::exp(a.value)}; }
inline Dual log(Dual a) { return {std::log(a.value), a.slope / a.value}; }
inline Dual log1p(Dual a) { return {std::log1p(a.value), a.slope / (1 + a.value)}; }
inline Dual sqrt(Dual a) {
  const double root = std::sqrt(a.value);
  return {root, a.slope / (2 * root)};
}
inline Dual tanh(Dual a) {
  const double t = std::tanh(a.value);
  return {t, a.slope * (1 - t * t)};
}
inline Dual erf(Dual a) {
  const double density = 2 * std::numbers::inv_sqrtpi * std::exp(-a.value * a.value);
  return {std::erf(a.value), a.slope * density};
}

/// The same numbers as constants, in the same layout.
inline Block<Dual> lift(const Block<double>& x) {
  Block<Dual> out(x.rows(), x.cols());
  for (int64_t i = 0; i < x.rows(); ++i)
    for (int64_t j = 0; j < x.cols(); ++j) out(i, j) = x(i, j);
  return out;
}

/// sum weights . outputs: the loss whose gradient with respect to the outputs is `weights`.
inline Dual weigh(const Block<double>& weights, const Block<Dual>& outputs) {
  Dual sum = 0;
  for (int64_t i = 0; i < weights.rows(); ++i)
    for (int64_t j = 0; j < weights.cols(); ++j) sum += weights(i, j) * outputs(i, j);
  return sum;
}

/// The gradient of `loss`, a function of what stands in `x`, one forward per element.
template <class Loss>
Block<double> dual_gradient(Block<Dual>& x, Loss&& loss) {
  Block<double> gradient(x.rows(), x.cols());
  for (int64_t i = 0; i < x.rows(); ++i)
    for (int64_t j = 0; j < x.cols(); ++j) {
      x(i, j).slope = 1;
      gradient(i, j) = Dual(loss()).slope;
      x(i, j).slope = 0;
    }
  return gradient;
}

}  // namespace falconer::test
