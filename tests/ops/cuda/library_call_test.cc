#include "ops/cuda/library_call.h"

#include <gtest/gtest.h>

namespace falconer::cuda {
namespace {

TEST(LibraryCall, RowsAreRoundedUpByLittle) {
  for (int64_t n = 1; n < 5000; ++n) {
    const int64_t rounded = rounded_rows(n);
    EXPECT_GE(rounded, n);
    EXPECT_LT(8 * (rounded - n), n) << n;
    EXPECT_EQ(rounded_rows(rounded), rounded);
  }
  EXPECT_EQ(rounded_rows(4096), 4096);
  EXPECT_EQ(rounded_rows(4097), 4608);
}

// What grows with the tokens: columns of C and of B as the library counts them.
TEST(LibraryCall, RoundingChangesTheTokensAlone) {
  float numbers[1] = {};
  const auto view = [&](int64_t rows, int64_t cols) {
    return View{numbers, rows, cols, cols, Dtype::kF32};
  };
  const LibraryCall forward = rounded_call(library_call(
      {.a = view(99, 16), .b = view(24, 16), .c = view(99, 24), .b_transposed = true}));
  EXPECT_EQ(forward.n, 104);
  EXPECT_EQ(forward.c.cols, 104);
  EXPECT_EQ(forward.b.cols, 104);
  EXPECT_EQ(forward.m, 24);
  EXPECT_EQ(forward.k, 16);
  EXPECT_EQ(forward.a.rows, 16);
  const LibraryCall weights = rounded_call(library_call(
      {.a = view(16, 99), .b = view(16, 24), .c = view(99, 24), .a_transposed = true}));
  EXPECT_EQ(weights.b.rows, 104);
  EXPECT_EQ(weights.b.cols, 16);
}

}  // namespace
}  // namespace falconer::cuda
