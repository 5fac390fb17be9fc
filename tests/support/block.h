// Matrices for tests: rows inside larger rows, and a margin around them that nobody may write.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "tensor/view.h"

namespace falconer::test {

/// Row i starts kFirst elements into a longer row. S is a number type or a dual number.
template <class S>
class Block {
 public:
  Block() = default;
  Block(int64_t rows, int64_t cols)
      : rows_(rows), cols_(cols), memory_((rows + 1) * (cols + kFirst + kGap), S(kMargin)) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) (*this)(i, j) = S(0);
  }

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  S& operator()(int64_t i, int64_t j) { return memory_[place(i, j)]; }
  const S& operator()(int64_t i, int64_t j) const { return memory_[place(i, j)]; }

  Mat<S> mat() { return {memory_.data() + kFirst, rows_, cols_, cols_ + kFirst + kGap}; }
  Mat<const S> cmat() const {
    return {memory_.data() + kFirst, rows_, cols_, cols_ + kFirst + kGap};
  }
  operator Mat<S>() { return mat(); }               // NOLINT: stands for its Mat in calls
  operator Mat<const S>() const { return cmat(); }  // NOLINT

 private:
  static constexpr int64_t kFirst = 2, kGap = 3;
  static constexpr double kMargin = 777;
  size_t place(int64_t i, int64_t j) const { return i * (cols_ + kFirst + kGap) + kFirst + j; }

  int64_t rows_ = 0, cols_ = 0;
  std::vector<S> memory_;
};

/// Standard normal values named by `seed`, none of them zero.
inline Block<double> random_block(int64_t rows, int64_t cols, uint32_t seed) {
  const RandomStream stream(seed, RandomPurpose::kTest);
  Block<double> out(rows, cols);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) out(i, j) = stream.normal(i * cols + j);
  return out;
}

template <class F>
Block<double> map(const Block<double>& x, F&& f) {
  Block<double> out(x.rows(), x.cols());
  for (int64_t i = 0; i < x.rows(); ++i)
    for (int64_t j = 0; j < x.cols(); ++j) out(i, j) = f(x(i, j));
  return out;
}

inline Block<double> operator+(const Block<double>& a, const Block<double>& b) {
  Block<double> out(a.rows(), a.cols());
  for (int64_t i = 0; i < a.rows(); ++i)
    for (int64_t j = 0; j < a.cols(); ++j) out(i, j) = a(i, j) + b(i, j);
  return out;
}

inline double max_abs(const Block<double>& x) {
  double most = 0;
  for (int64_t i = 0; i < x.rows(); ++i)
    for (int64_t j = 0; j < x.cols(); ++j) most = std::max(most, std::abs(x(i, j)));
  return most;
}

/// The largest Euclidean norm of a row.
inline double row_norm(const Block<double>& x) {
  double most = 0;
  for (int64_t i = 0; i < x.rows(); ++i) {
    double sum = 0;
    for (int64_t j = 0; j < x.cols(); ++j) sum += x(i, j) * x(i, j);
    most = std::max(most, std::sqrt(sum));
  }
  return most;
}

/// The largest difference over the largest value; absolute where all of `want` is zero.
inline double relative_error(const Block<double>& got, const Block<double>& want) {
  EXPECT_EQ(got.rows(), want.rows());
  EXPECT_EQ(got.cols(), want.cols());
  double worst = 0;
  for (int64_t i = 0; i < want.rows(); ++i)
    for (int64_t j = 0; j < want.cols(); ++j) {
      const double difference = std::abs(got(i, j) - want(i, j));
      // A NaN must not pass as a small difference.
      if (!(difference <= worst)) worst = difference;
      if (std::isnan(difference)) return difference;
    }
  const double scale = max_abs(want);
  return scale > 0 ? worst / scale : worst;
}

/// The first gate of every backward: agreement with dual numbers.
inline void expect_exact(const Block<double>& got, const Block<double>& want) {
  EXPECT_LE(relative_error(got, want), 1e-10);
}

}  // namespace falconer::test
