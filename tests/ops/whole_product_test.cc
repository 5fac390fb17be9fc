// Products of factors that are both rounded to 8 bits, forward and backward, against sums of doubles over what the
// rounding says, for every way to multiply whole numbers that this CPU knows.
#include "ops/cpu/whole_product.h"

#include <hwy/targets.h>

#include <cmath>

#include "base/threads.h"
#include "ops/cpu/dots.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr int64_t kWholeIn = 1344,
                  kWholeOut = 612;  // both have groups and panels that are not full

/// Rows of very different sizes, and a row of zeros.
Tensor whole_matrix(Dtype dtype) {
  const Block<double> random = random_block(kWholeOut, kWholeIn, 7);
  const Tensor numbers(kWholeOut, kWholeIn, Dtype::kF32);
  for (int64_t i = 0; i < kWholeOut; ++i)
    for (int64_t j = 0; j < kWholeIn; ++j)
      numbers.view().row<float>(i)[j] =
          i == 5
              ? 0
              : static_cast<float>(random(i, j) * std::pow(10.0, static_cast<double>(i % 3) - 2));
  Tensor w(kWholeOut, kWholeIn, dtype);
  copy_converted(numbers.view(), w.view());
  return w;
}

/// Each row, in groups of 256 columns, as rounding.h says.
Block<double> rounded_in_groups(const Block<double>& x) {
  Block<double> out(x.rows(), x.cols());
  for (int64_t n = 0; n < x.rows(); ++n)
    for (int64_t g = 0; g < x.cols(); g += 256) {
      const int64_t end = std::min(g + 256, x.cols());
      float most = 0;
      for (int64_t i = g; i < end; ++i)
        most = std::max(most, std::fabs(static_cast<float>(x(n, i))));
      for (int64_t i = g; i < end && most > 0; ++i)
        out(n, i) = std::nearbyint(static_cast<float>(x(n, i)) * (127 / most)) *
                    static_cast<double>(most / 127);
    }
  return out;
}

Block<double> numbers_of_matrix(const View& w, bool transposed) {
  const Tensor plain(w.rows, w.cols, Dtype::kF32);
  copy_converted(w, plain.view());
  Block<double> out = transposed ? Block<double>(w.cols, w.rows) : Block<double>(w.rows, w.cols);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      (transposed ? out(j, i) : out(i, j)) = plain.view().row<float>(i)[j];
  return out;
}

void expect_whole_product(const View& found, const Block<double>& a, const Block<double>& b) {
  for (int64_t i = 0; i < a.rows(); ++i)
    for (int64_t j = 0; j < b.rows(); ++j) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < a.cols(); ++k) {
        sum += a(i, k) * b(j, k);
        size += std::fabs(a(i, k) * b(j, k));
      }
      ASSERT_NEAR(found.row<float>(i)[j], sum, 1e-6 * size) << i << "," << j;
    }
}

/// y of one pass, and dx.
struct WholeBoth {
  Tensor y, dx;
};

WholeBoth whole_products(const View& w, const View& x, const View& dy) {
  WholeBoth all{Tensor(x.rows, kWholeOut, Dtype::kF32), Tensor(x.rows, kWholeIn, Dtype::kF32)};
  OpRun run(cpu_kernels(), 8 << 20);
  linear_forward(run.run, {.x = x, .w = w, .y = all.y.view(), .whole = true});
  linear_backward(run.run, {.w = w, .dy = dy, .dx = all.dx.view(), .whole = true});
  return all;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.view().data, b.view().data, a.view().bytes()) == 0;
}

TEST(WholeProduct, IsThatOfItsRoundedFactors) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16, Dtype::kF16, Dtype::kQ8_0, Dtype::kNF4,
                            Dtype::kQ5_1, Dtype::kInt8})
    for (const int64_t n : {1, 13}) {
      SCOPED_TRACE(fmt::format("{}, {} rows", name_of(dtype), n));
      const Tensor w = whole_matrix(dtype);
      const TestView x(n, kWholeIn), dy(n, kWholeOut, Dtype::kF32, 3);
      const WholeBoth found = whole_products(w.view(), x, dy);
      expect_whole_product(found.y.view(), rounded_in_groups(x.values()),
                           rounded_in_groups(numbers_of_matrix(w.view(), false)));
      expect_whole_product(found.dx.view(), rounded_in_groups(dy.values()),
                           rounded_in_groups(numbers_of_matrix(w.view(), true)));
    }
}

TEST(WholeProduct, DependsNeitherOnOtherRowsNorOnThreadsNorOnHowItIsMultiplied) {
  const Tensor w = whole_matrix(Dtype::kNF4);
  const TestView x(29, kWholeIn), dy(29, kWholeOut, Dtype::kF32, 3);
  const int before = thread_count();
  set_thread_count(1);
  const WholeBoth all = whole_products(w.view(), x, dy);
  for (const char* dots : {"pairs", "vnni"})
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(fmt::format("{}, {} threads", dots, threads));
      cpu::hold_dots(dots);
      set_thread_count(threads);
      const WholeBoth again = whole_products(w.view(), x, dy);
      EXPECT_TRUE(same_bytes(again.y, all.y) && same_bytes(again.dx, all.dx));
      const WholeBoth one =
          whole_products(w.view(), x.view().row_range(17, 1), dy.view().row_range(17, 1));
      EXPECT_EQ(std::memcmp(one.y.view().data, all.y.view().at(17), kWholeOut * 4), 0);
      EXPECT_EQ(std::memcmp(one.dx.view().data, all.dx.view().at(17), kWholeIn * 4), 0);
    }
  set_thread_count(before);
  cpu::hold_dots("vnni");
}

#if HWY_ARCH_X86
TEST(WholeProduct, IsTheSameOnALesserCpu) {
  const Tensor w = whole_matrix(Dtype::kQ8_0);
  const TestView x(29, kWholeIn), dy(29, kWholeOut, Dtype::kF32, 3);
  const WholeBoth all = whole_products(w.view(), x, dy);
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  const WholeBoth lesser = whole_products(w.view(), x, dy);
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_TRUE(same_bytes(lesser.y, all.y) && same_bytes(lesser.dx, all.dx));
}
#endif

TEST(WholeProduct, OfManyRowsIsThatOfFew) {
  const Tensor w = whole_matrix(Dtype::kBF16);
  const int64_t n = 1700;  // packed in two parts
  const TestView x(n, kWholeIn), dy(n, kWholeOut, Dtype::kF32, 3);
  OpRun run(cpu_kernels(), 32 << 20);
  const Tensor y(n, kWholeOut, Dtype::kF32), some(40, kWholeOut, Dtype::kF32);
  linear_forward(run.run, {.x = x, .w = w.view(), .y = y.view(), .whole = true});
  linear_forward(
      run.run, {.x = x.view().row_range(840, 40), .w = w.view(), .y = some.view(), .whole = true});
  for (int64_t i = 0; i < 40; ++i)
    ASSERT_EQ(std::memcmp(some.view().at(i), y.view().at(840 + i), kWholeOut * 4), 0) << i;
}

TEST(WholeProduct, ScalesAddsAndTakesABias) {
  const Tensor w = whole_matrix(Dtype::kQ8_0);
  for (const Dtype out : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(3, kWholeIn, out), b(1, kWholeOut), y(3, kWholeOut, out, 9),
        dy(3, kWholeOut, out, 3);
    const TestView dx(3, kWholeIn, out, 4);
    const Block<double> y_before = y.values(), dx_before = dx.values();
    const WholeBoth plain = whole_products(w.view(), TestView(x.values()), TestView(dy.values()));
    OpRun run(cpu_kernels(), 8 << 20);
    linear_forward(run.run, {.x = x, .w = w.view(), .b = b, .y = y, .add = true, .whole = true});
    linear_backward(
        run.run, {.w = w.view(), .dy = dy, .dx = dx, .scale = 0.5f, .add_dx = true, .whole = true});
    const double error = out == Dtype::kF32 ? 1e-5 : 1e-2;
    for (int64_t i = 0; i < 3; ++i) {
      for (int64_t m = 0; m < kWholeOut; ++m) {
        const double sum = plain.y.view().row<float>(i)[m] + b.values()(0, m) + y_before(i, m);
        ASSERT_NEAR(y.values()(i, m), sum, error * (1 + std::fabs(sum)));
      }
      for (int64_t k = 0; k < kWholeIn; k += 7) {
        const double sum = 0.5 * plain.dx.view().row<float>(i)[k] + dx_before(i, k);
        ASSERT_NEAR(dx.values()(i, k), sum, error * (1 + std::fabs(sum)));
      }
    }
    EXPECT_TRUE(y.margin_intact() && dx.margin_intact());
  }
}

TEST(WholeProduct, WhatIsNotFiniteStaysSo) {
  const Tensor w = whole_matrix(Dtype::kQ8_0);
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const TestView x(2, kWholeIn), dy(2, kWholeOut, Dtype::kF32, 3);
    x.view().row<float>(1)[100] = dy.view().row<float>(1)[100] = bad;
    const WholeBoth found = whole_products(w.view(), x, dy);
    for (int64_t m = 0; m < kWholeOut; ++m) {
      EXPECT_TRUE(std::isfinite(found.y.view().row<float>(0)[m]));
      EXPECT_FALSE(std::isfinite(found.y.view().row<float>(1)[m])) << m;
    }
    for (int64_t k = 0; k < kWholeIn; ++k)
      EXPECT_FALSE(std::isfinite(found.dx.view().row<float>(1)[k]));
  }
  Tensor broken = whole_matrix(Dtype::kF32);
  broken.view().row<float>(7)[300] = std::numeric_limits<float>::quiet_NaN();
  const TestView x(1, kWholeIn), dy(1, kWholeOut, Dtype::kF32, 3);
  const WholeBoth found = whole_products(broken.view(), x, dy);
  EXPECT_FALSE(std::isfinite(found.y.view().row<float>(0)[7]));
  EXPECT_FALSE(std::isfinite(found.dx.view().row<float>(0)[300]));
}

}  // namespace
}  // namespace falconer::test
