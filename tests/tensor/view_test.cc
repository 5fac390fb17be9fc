#include "tensor/view.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

namespace falconer {
namespace {

/// 4 x 5 inside rows of 8, element (i, j) holding 8 i + j.
struct Grid {
  Grid() { std::iota(numbers.begin(), numbers.end(), 0.0f); }
  std::vector<float> numbers = std::vector<float>(32);
  View view{numbers.data(), 4, 5, 8, Dtype::kF32};
};

TEST(View, SlicesPointIntoTheSameMemory) {
  Grid g;
  const View inner = g.view.row_range(1, 2).col_range(2, 3);
  EXPECT_EQ(inner.rows, 2);
  EXPECT_EQ(inner.cols, 3);
  EXPECT_EQ(inner.stride, 8);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j) {
      EXPECT_EQ(inner.row<float>(i)[j], 8.0f * (i + 1) + j + 2);
      EXPECT_EQ(inner.as<const float>()(i, j), 8.0f * (i + 1) + j + 2);
    }
  EXPECT_EQ(g.view.col_range(2, 3).row_range(1, 2).data, inner.data);
  EXPECT_EQ(static_cast<void*>(g.view.at(3, 4)), &g.numbers[3 * 8 + 4]);
  EXPECT_EQ(g.view.size(), 20);
  EXPECT_EQ(g.view.bytes(), 80u);
}

TEST(View, NoneSlicedIsNone) {
  EXPECT_FALSE(View{});
  EXPECT_FALSE(View{}.row_range(3, 2));
  EXPECT_FALSE(View{}.col_range(3, 2));
  EXPECT_FALSE(View{}.as<float>());
  Grid g;
  EXPECT_TRUE(g.view.row_range(4, 0));  // no rows, yet there
}

TEST(View, OnlyContiguousViewsReshape) {
  Grid g;
  EXPECT_FALSE(g.view.contiguous());
  EXPECT_THROW(g.view.reshape(5, 4), InternalError);
  const View row = g.view.row_range(1, 1);
  EXPECT_TRUE(row.contiguous());
  const View column = row.reshape(5, 1);
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(column.row<float>(i)[0], 8.0f + i);
  EXPECT_THROW(row.reshape(2, 2), InternalError);
}

TEST(View, ElementTypeIsChecked) {
  Grid g;
  EXPECT_THROW(g.view.as<BF16>(), InternalError);
  EXPECT_THROW(g.view.row<double>(0), InternalError);
}

TEST(CopyConverted, RoundsBetweenEveryPairOfFloats) {
  const float values[] = {0.1f, -2.5f, 65504.0f, 1e-7f, std::numeric_limits<float>::infinity()};
  const Dtype dtypes[] = {Dtype::kF32, Dtype::kBF16, Dtype::kF16, Dtype::kF64};
  const auto as_float = [](const View& v, int64_t i, int64_t j) -> float {
    switch (v.dtype) {
      case Dtype::kF32:
        return v.row<float>(i)[j];
      case Dtype::kBF16:
        return v.row<BF16>(i)[j];
      case Dtype::kF16:
        return static_cast<float>(v.row<F16>(i)[j]);
      default:
        return static_cast<float>(v.row<double>(i)[j]);
    }
  };
  const auto rounded = [](float x, Dtype d) {
    if (d == Dtype::kBF16) return static_cast<float>(BF16(x));
    return d == Dtype::kF16 ? static_cast<float>(F16(x)) : x;
  };
  for (const Dtype from : dtypes)
    for (const Dtype to : dtypes) {
      // Rows of 5 in rows of 7: a conversion that runs over the gap would show.
      std::vector<double> memory_a(21, -1), memory_b(21, -1);
      float source[21];
      for (int i = 0; i < 21; ++i) source[i] = values[i % 7 % 5];
      const View floats{source, 3, 5, 7, Dtype::kF32};
      const View a{memory_a.data(), 3, 5, 7, from}, b{memory_b.data(), 3, 5, 7, to};
      const std::vector<double> untouched = memory_b;
      copy_converted(floats, a);
      copy_converted(a, b);
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < 5; ++j)
          EXPECT_EQ(as_float(b, i, j), rounded(rounded(values[j], from), to));
      const auto* bytes = reinterpret_cast<const std::byte*>(memory_b.data());
      const auto* before = reinterpret_cast<const std::byte*>(untouched.data());
      for (size_t i = 5 * size_of(to); i < 7 * size_of(to); ++i) EXPECT_EQ(bytes[i], before[i]);
    }
}

TEST(CopyConverted, LargeCopiesAreWhole) {
  constexpr int64_t kRows = 300, kCols = 1000;
  std::vector<float> from(kRows * kCols), to(kRows * kCols, -1);
  std::iota(from.begin(), from.end(), 0.0f);
  copy_converted({from.data(), kRows, kCols, kCols, Dtype::kF32},
                 {to.data(), kRows, kCols, kCols, Dtype::kF32});
  EXPECT_EQ(from, to);
}

TEST(CopyConverted, ChecksShapesAndDtypes) {
  Grid g;
  EXPECT_THROW(copy_converted(g.view, g.view.row_range(0, 3)), InternalError);
  View integers = g.view;
  integers.dtype = Dtype::kI32;
  EXPECT_THROW(copy_converted(g.view, integers), InternalError);
  EXPECT_THROW(copy_converted(integers, g.view), InternalError);
}

}  // namespace
}  // namespace falconer
