// Products in whole numbers against sums of doubles over what the format and the rounding of x say, for every format
// that has them, and every way to multiply that this CPU knows.

#include <hwy/targets.h>

#include <cmath>

#include "ops/cpu/dots.h"
#include "ops/kernels.h"
#include "support/op_run.h"
#include "tensor/blocks/format.h"

namespace falconer::test {
namespace {

constexpr int64_t kLaneRows = 37, kLaneCols = 512;  // the last strip is not full

/// A matrix in blocks, and packed once more for whole numbers.
struct LaneWeights {
  explicit LaneWeights(Dtype dtype)
      : blocks(kLaneRows, kLaneCols, dtype), numbers(kLaneRows, kLaneCols, Dtype::kF32) {
    const Block<double> random = random_block(kLaneRows, kLaneCols, 7);
    for (int64_t i = 0; i < kLaneRows; ++i)
      for (int64_t j = 0; j < kLaneCols; ++j)  // rows of very different sizes, and a row of zeros
        numbers.view().row<float>(i)[j] =
            i == 5
                ? 0
                : static_cast<float>(random(i, j) * std::pow(10.0, static_cast<double>(i % 5) - 3));
    copy_converted(numbers.view(), blocks.view());
    copy_converted(blocks.view(), numbers.view());
    lanes = Tensor(1, cpu_kernels().lane_bytes(dtype, kLaneRows, kLaneCols), Dtype::kU8);
    cpu_kernels().pack_lanes(blocks.view(), lanes.view());
  }
  Tensor blocks, numbers, lanes;
};

/// x as lane_product() says that it is rounded.
Block<double> rounded(const View& x) {
  Block<double> out(x.rows, x.cols);
  for (int64_t n = 0; n < x.rows; ++n)
    for (int64_t u = 0; u < x.cols; u += 32) {
      float most = 0;
      for (int64_t i = u; i < u + 32; ++i) most = std::max(most, std::fabs(x.row<float>(n)[i]));
      for (int64_t i = u; i < u + 32; ++i)
        out(n, i) = most == 0 ? 0
                              : std::nearbyint(x.row<float>(n)[i] * (127 / most)) *
                                    static_cast<double>(most / 127);
    }
  return out;
}

/// How far the values that are multiplied are from the format's own, as a part of the largest of a block: scales in f16,
/// and tables in 255 steps.
double lane_error(const BlockFormat& format) {
  const float* const table = format.codes.table;
  bool whole = true;
  for (int i = 0; table != nullptr && i < 16; ++i)
    whole = whole && table[i] == std::nearbyint(table[i]);
  return table != nullptr && !whole ? 6e-3 : 6e-4;
}

std::vector<const BlockFormat*> formats_with_lanes() {
  std::vector<const BlockFormat*> found;
  for (const BlockFormat* format : block_formats())
    if (format->encode != nullptr && cpu_kernels().lane_bytes(format->dtype, 16, kLaneCols) > 0)
      found.push_back(format);
  return found;
}

Tensor product_of(const LaneWeights& w, const View& x) {
  Tensor y(x.rows, kLaneRows, Dtype::kF32);
  cpu_kernels().linear_forward(
      {.x = x, .w = w.blocks.view(), .y = y.view(), .lanes = w.lanes.view()});
  return y;
}

TEST(LaneProduct, IsThatOfTheFormatsNumbers) {
  for (const BlockFormat* format : formats_with_lanes()) {
    const LaneWeights w(format->dtype);
    for (const int64_t n : {1, 2, 3, 5, 8, 9, 33}) {
      SCOPED_TRACE(fmt::format("{}, {} rows", format->label, n));
      const TestView x(n, kLaneCols);
      const Block<double> near = rounded(x);
      const Tensor y = product_of(w, x);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t m = 0; m < kLaneRows; ++m) {
          double sum = 0, size = 0;
          for (int64_t k = 0; k < kLaneCols; ++k) {
            const double term = near(i, k) * w.numbers.view().row<float>(m)[k];
            sum += term;
            size += std::fabs(term);
          }
          ASSERT_NEAR(y.view().row<float>(i)[m], sum, lane_error(*format) * size) << i << "," << m;
        }
    }
  }
}

TEST(LaneProduct, ARowDoesNotDependOnTheOthersNorOnHowItIsMultiplied) {
  for (const BlockFormat* format : formats_with_lanes()) {
    const LaneWeights w(format->dtype);
    const TestView x(13, kLaneCols);
    const Tensor all = product_of(w, x);
    for (const char* dots : {"pairs", "maddubs", "vnni"}) {
      cpu::hold_dots(dots);
      for (int64_t i = 0; i < 13; ++i) {
        const Tensor one = product_of(w, x.view().row_range(i, 1));
        for (int64_t m = 0; m < kLaneRows; ++m)
          ASSERT_EQ(one.view().row<float>(0)[m], all.view().row<float>(i)[m])
              << format->label << ", " << dots << ", row " << i;
      }
    }
  }
  cpu::hold_dots("vnni");
}

#if HWY_ARCH_X86
TEST(LaneProduct, IsTheSameOnALesserCpu) {
  const LaneWeights w(Dtype::kQ5_0);
  const TestView x(5, kLaneCols);
  const Tensor all = product_of(w, x);
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  const Tensor lesser = product_of(w, x);
  hwy::SetSupportedTargetsForTest(0);
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t m = 0; m < kLaneRows; ++m)
      ASSERT_EQ(lesser.view().row<float>(i)[m], all.view().row<float>(i)[m]);
}
#endif

TEST(LaneProduct, ScalesAddsAndTakesABias) {
  for (const Dtype out : {Dtype::kF32, Dtype::kBF16}) {
    const LaneWeights w(Dtype::kQ4_0);
    const TestView x(3, kLaneCols), b(1, kLaneRows), y(3, kLaneRows, out, 9);
    const Block<double> before = y.values();
    const Tensor plain = product_of(w, x);
    cpu_kernels().linear_forward(
        {.x = x, .w = w.blocks.view(), .b = b, .y = y, .add = true, .lanes = w.lanes.view()});
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t m = 0; m < kLaneRows; ++m) {
        const double sum = plain.view().row<float>(i)[m] + b.values()(0, m) + before(i, m);
        EXPECT_NEAR(y.values()(i, m), sum,
                    (out == Dtype::kF32 ? 1e-5 : 1e-2) * (1 + std::fabs(sum)));
      }
    EXPECT_TRUE(y.margin_intact());
  }
}

TEST(LaneProduct, WhatIsNotFiniteStaysSo) {
  const LaneWeights w(Dtype::kQ8_0);
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Tensor x(1, kLaneCols, Dtype::kF32);
    for (int64_t i = 0; i < kLaneCols; ++i) x.view().row<float>(0)[i] = i == 100 ? bad : 1;
    const Tensor y = product_of(w, x.view());
    for (int64_t m = 0; m < kLaneRows; ++m) {
      if (m == 5) continue;  // zeros
      EXPECT_FALSE(std::isfinite(y.view().row<float>(0)[m])) << m;
    }
  }
}

}  // namespace
}  // namespace falconer::test
