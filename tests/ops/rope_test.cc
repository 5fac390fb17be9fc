#include "ops/rope.h"

#include <cmath>
#include <complex>

#include "ops/scalar/rope.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

// Falcon's fused row: per group its queries, one key, one value. Queries and keys are rotated.
constexpr int64_t kGroups = 2, kPerGroup = 3, kSize = 6, kStride = (kPerGroup + 2) * kSize;

template <class S>
HeadsMat<S> heads(Mat<S> row, int64_t first, int64_t per_group) {
  row.data += first * kSize;
  return {row, kGroups, per_group, kStride, kSize};
}

TEST(Rope, InverseMatchesDualNumbers) {
  for (const bool pairs : {false, true})
    for (const int64_t rotated : {2, 4, 6}) {  // dimensions from `rotated` on pass through
      const std::vector<int32_t> positions = {0, 7, 3};
      const Block<double> table = random_block(8, rotated, 3);  // the derivation needs no angles
      const Block<double> dy = random_block(3, kGroups * kStride, 2);
      Block<Dual> x = lift(random_block(3, kGroups * kStride, 1));
      const Block<Dual> dual_table = lift(table);
      const auto loss = [&] {
        Block<Dual> y = x;
        scalar::rope<Dual>(heads<Dual>(y, 0, kPerGroup), positions.data(), dual_table, false, 0, 3,
                           pairs);
        scalar::rope<Dual>(heads<Dual>(y, kPerGroup, 1), positions.data(), dual_table, false, 0, 3,
                           pairs);
        return weigh(dy, y);
      };
      Block<double> dx = dy;
      scalar::rope<double>(heads<double>(dx, 0, kPerGroup), positions.data(), table, true, 0, 3,
                           pairs);
      scalar::rope<double>(heads<double>(dx, kPerGroup, 1), positions.data(), table, true, 0, 3,
                           pairs);
      expect_exact(dx, dual_gradient(x, loss));
    }
}

Heads view_heads(const TestView& x) { return {x.view(), kGroups, kPerGroup, kStride, kSize}; }

// Pairs (i, i + R/2), or (2i, 2i + 1), are complex numbers times e^(i p / base^(2i/R)).
TEST(Rope, TurnsPairsLikeComplexNumbers) {
  for (const bool pairs : {false, true})
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
      std::vector<int32_t> positions = {5, 0};
      const TestView x(2, kGroups * kStride, dtype), table(16, 4);
      Block<double> want = x.values();
      for (int64_t n = 0; n < 2; ++n)
        for (int64_t h = 0; h < kGroups * kPerGroup; ++h)
          for (int64_t i = 0; i < 2; ++i) {
            const int64_t c = h / kPerGroup * kStride + h % kPerGroup * kSize + (pairs ? 2 * i : i);
            const int64_t other = pairs ? c + 1 : c + 2;
            const std::complex<double> z(want(n, c), want(n, other));
            const std::complex<double> turned =
                z * std::polar(1.0, positions[n] / std::pow(100.0, 2.0 * i / 4));
            want(n, c) = turned.real(), want(n, other) = turned.imag();
          }
      OpRun r;
      rope_table(r.run, table, 100.0);
      rope(
          r.run,
          {.x = view_heads(x), .positions = ints(positions), .table = table, .interleaved = pairs});
      // The angle itself, at most 5, is held in f32.
      expect_agrees(x, want, 5 * 3 + 4, max_abs(x.values()));
    }
}

TEST(Rope, InverseUndoesForward) {
  for (const bool pairs : {false, true}) {
    std::vector<int32_t> positions = {5, 1000, 2};
    const TestView x(3, kGroups * kStride), table(1001, kSize);
    const Block<double> before = x.values();
    OpRun r;
    rope_table(r.run, table, 10000.0);
    Rope args{
        .x = view_heads(x), .positions = ints(positions), .table = table, .interleaved = pairs};
    rope(r.run, args);
    EXPECT_FALSE(same_values(x.values(), before));
    args.inverse = true;
    rope(r.run, args);
    expect_agrees(x, before, 10, max_abs(before));
  }
}

TEST(Rope, TableOfGivenFrequenciesAndFactor) {
  const TestView plain(9, 6), same(9, 6), scaled(9, 6);
  std::vector<float> frequencies = rope_periods(6, 100.0);
  for (float& f : frequencies) f = 1.0f / f;
  OpRun r;
  rope_table(r.run, plain, 100.0);
  rope_table(r.run, same, frequencies);
  EXPECT_TRUE(same_values(plain.values(), same.values()));
  for (float& f : frequencies) f *= 0.5f;
  rope_table(r.run, scaled, frequencies, 2);
  for (int64_t p = 0; p < 8; p += 2)  // half as fast, and twice as long
    for (int64_t i = 0; i < 6; ++i)
      EXPECT_EQ(scaled.values()(p, i), 2 * plain.values()(p / 2, i)) << p << "," << i;
  frequencies.pop_back();
  EXPECT_THROW(rope_table(r.run, scaled, frequencies), InternalError);
}

TEST(Rope, TableMatchesHighPrecision) {
  constexpr int64_t kPositions = 2048, kRotated = 64;
  const TestView table(kPositions, kRotated);
  OpRun r;
  rope_table(r.run, table, 10000.0);
  const Block<double> got = table.values();
  double worst = 0;  // in units of what rounding the frequency and the angle to f32 costs
  for (int64_t p = 0; p < kPositions; ++p)
    for (int64_t i = 0; i < kRotated / 2; ++i) {
      const long double angle = p / std::pow(10000.0L, 2.0L * i / kRotated);
      // pow in f32 also feels its rounded exponent: ln(10000) 2^-24 more.
      const double allowed = static_cast<double>(angle) * (3 + 9.3) * 0x1p-24 + 0x1p-24;
      const double cosine = std::abs(got(p, i) - static_cast<double>(std::cos(angle)));
      const double sine = std::abs(got(p, kRotated / 2 + i) - static_cast<double>(std::sin(angle)));
      worst = std::max({worst, cosine / allowed, sine / allowed});
    }
  EXPECT_LE(worst, 1);
  EXPECT_TRUE(table.margin_intact());
}

TEST(Rope, DryRunTouchesNothing) {
  std::vector<int32_t> positions = {5, 1};
  const TestView x(2, kGroups * kStride), table(8, kSize);
  const Block<double> before = x.values(), table_before = table.values();
  DryRun dry;
  rope_table(dry.run, table, 10000.0);
  rope(dry.run, {.x = view_heads(x), .positions = ints(positions), .table = table});
  EXPECT_TRUE(same_values(x.values(), before));
  EXPECT_TRUE(same_values(table.values(), table_before));
}

TEST(Rope, ShapesAreChecked) {
  std::vector<int32_t> positions = {5, 1}, more = {5, 1, 2};
  const TestView x(2, kGroups * kStride), table(8, kSize), wide(8, kSize + 2), odd(8, 5);
  OpRun r;
  const auto run = [&](View p, View t) {
    rope(r.run, {.x = view_heads(x), .positions = p, .table = t});
  };
  run(ints(positions), table);
  EXPECT_THROW(run(ints(more), table), InternalError);
  EXPECT_THROW(run(table, table), InternalError);
  EXPECT_THROW(run(ints(positions), wide), InternalError);
  EXPECT_THROW(run(ints(positions), odd), InternalError);
  EXPECT_THROW(rope_table(r.run, odd, 10000.0), InternalError);
}

}  // namespace
}  // namespace falconer::test
