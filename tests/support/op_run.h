// What tests of the ops' public side share: a Run on a table of kernels, random views with margins,
// and agreement within a bound computed from dtype and norms.
#pragma once

#include <cstring>

#include "ops/kernels.h"
#include "support/block.h"
#include "tensor/arena.h"
#include "tensor/buffer.h"

namespace falconer::test {

/// Where tests make their tensors; null: in host memory.
inline Device* test_device = nullptr;

/// A Run with arenas of its own.
struct OpRun {
  explicit OpRun(const Kernels& kernels = scalar_kernels(), size_t bytes = 1 << 20)
      : kept(bytes, test_device), scratch(bytes, test_device) {
    run.kernels = &kernels;
    run.kept = &kept;
    run.scratch = &scratch;
  }
  Arena kept, scratch;
  Run run;
};

/// A dry Run: measuring arenas and no kernels at all, so that a call through the table would crash.
struct DryRun {
  DryRun() {
    run.dry = true;
    run.kept = &kept;
    run.scratch = &scratch;
  }
  Arena kept, scratch;
  Run run;
};

/// A tensor inside a larger one: misaligned rows, and a margin that must stay as it is.
class TestView {
 public:
  /// Random normal values, rounded to dtype.
  TestView(int64_t rows, int64_t cols, Dtype dtype = Dtype::kF32, uint32_t seed = 1)
      : TestView(random_block(rows, cols, seed), dtype) {}
  explicit TestView(const Block<double>& values, Dtype dtype = Dtype::kF32)
      : whole_(values.rows() + 2, values.cols() + kFirst + 2, dtype),
        view_(inside(whole_, values)) {
    for (int64_t i = 0; i < whole_.view().rows; ++i)
      for (int64_t j = 0; j < whole_.view().cols; ++j) put(whole_.view(), i, j, kMargin);
    for (int64_t i = 0; i < values.rows(); ++i)
      for (int64_t j = 0; j < values.cols(); ++j) put(view_, i, j, values(i, j));
    if (test_device == nullptr) return;
    Tensor moved(whole_.view().rows, whole_.view().cols, dtype, test_device);
    copy_converted(whole_.view(), moved.view());
    whole_ = std::move(moved);
    view_ = inside(whole_, values);
  }

  const View& view() const { return view_; }
  operator const View&() const { return view_; }  // NOLINT: stands for its view in calls
  Dtype dtype() const { return view_.dtype; }
  /// What stands there, exactly.
  Block<double> values() const {
    Block<double> out(view_.rows, view_.cols);
    const Tensor w = on_host();
    for (int64_t i = 0; i < view_.rows; ++i)
      for (int64_t j = 0; j < view_.cols; ++j) out(i, j) = get(w.view(), i + 1, j + kFirst);
    return out;
  }
  bool margin_intact() const {
    const Tensor copy = on_host();
    const View& w = copy.view();
    for (int64_t i = 0; i < w.rows; ++i)
      for (int64_t j = 0; j < w.cols; ++j) {
        const bool inside = i >= 1 && i <= view_.rows && j >= kFirst && j < kFirst + view_.cols;
        if (!inside && get(w, i, j) != kMargin) return false;
      }
    return true;
  }

 private:
  static constexpr int64_t kFirst = 3;
  static constexpr double kMargin = 768;  // exact in bf16

  static View inside(const Tensor& whole, const Block<double>& values) {
    const View& w = whole.view();
    return {w.at(1, kFirst), values.rows(), values.cols(), w.stride, w.dtype, w.device};
  }
  Tensor on_host() const {
    Tensor copy(whole_.view().rows, whole_.view().cols, whole_.view().dtype);
    copy_converted(whole_.view(), copy.view());
    return copy;
  }
  static void put(const View& v, int64_t i, int64_t j, double x) {
    if (v.dtype == Dtype::kF32) v.row<float>(i)[j] = static_cast<float>(x);
    if (v.dtype == Dtype::kBF16) v.row<BF16>(i)[j] = BF16(static_cast<float>(x));
  }
  static double get(const View& v, int64_t i, int64_t j) {
    return v.dtype == Dtype::kF32 ? v.row<float>(i)[j] : static_cast<float>(v.row<BF16>(i)[j]);
  }

  Tensor whole_;
  View view_;
};

/// (1,N) i32 over numbers that the caller keeps.
inline View ints(std::vector<int32_t>& numbers) {
  const int64_t n = static_cast<int64_t>(numbers.size());
  return {numbers.data(), 1, n, n, Dtype::kI32};
}

/// Half a unit in the last place, relative.
inline double unit_roundoff(Dtype dtype) { return dtype == Dtype::kBF16 ? 0x1p-8 : 0x1p-24; }

/// Computed in f32 with about `terms` roundings of numbers as large as `magnitude`, then stored:
/// |got - want| <= terms 2^-24 magnitude + u |want|, with u of the stored dtype. The factor on u
/// leaves room for the value that is rounded being off itself.
inline void expect_agrees(const TestView& got, const Block<double>& want, double terms,
                          double magnitude) {
  const Block<double> values = got.values();
  ASSERT_EQ(values.rows(), want.rows());
  ASSERT_EQ(values.cols(), want.cols());
  const double sum = terms * 0x1p-24 * magnitude;
  for (int64_t i = 0; i < want.rows(); ++i)
    for (int64_t j = 0; j < want.cols(); ++j) {
      const double bound = sum + unit_roundoff(got.dtype()) * (std::abs(want(i, j)) + sum);
      EXPECT_LE(std::abs(values(i, j) - want(i, j)), bound + 1e-38) << "at " << i << "," << j;
    }
  EXPECT_TRUE(got.margin_intact()) << "written outside of the view";
}

inline bool same_values(const Block<double>& a, const Block<double>& b) {
  for (int64_t i = 0; i < a.rows(); ++i)
    for (int64_t j = 0; j < a.cols(); ++j)
      if (a(i, j) != b(i, j)) return false;
  return a.rows() == b.rows() && a.cols() == b.cols();
}

}  // namespace falconer::test
