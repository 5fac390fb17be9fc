#include "ops/loss.h"

#include <limits>

#include "ops/scalar/loss.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

TEST(CrossEntropy, GradientMatchesDualNumbers) {
  for (const auto& size : {std::pair<int64_t, int64_t>{3, 7}, {1, 1}, {0, 5}, {2, 33}}) {
    const int64_t n = size.first, v = size.second;
    std::vector<int32_t> targets;
    for (int64_t i = 0; i < n; ++i) targets.push_back(static_cast<int32_t>((5 * i + v - 1) % v));
    const Block<double> values = random_block(n, v, 1);
    Block<Dual> logits = lift(values);
    const double scale = 0.3;
    const auto loss = [&] {
      Block<Dual> losses(n, 1);
      scalar::cross_entropy<Dual, Dual>(logits, targets.data(), losses, {}, scale, 0, n);
      Dual sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += losses(i, 0);
      return scale * sum;
    };
    Block<double> losses(n, 1), dlogits = random_block(n, v, 2);  // overwritten
    scalar::cross_entropy<double, double>(values, targets.data(), losses, dlogits, scale, 0, n);
    expect_exact(dlogits, dual_gradient(logits, loss));
  }
}

TEST(CrossEntropy, IsMinusTheLogProbabilityOfTheTarget) {
  const Block<double> logits = random_block(4, 9, 1);
  const std::vector<int32_t> targets = {0, 8, 3, 3};
  Block<double> losses(4, 1), want(4, 1);
  scalar::cross_entropy<double, double>(logits, targets.data(), losses, {}, 1, 0, 4);
  for (int64_t n = 0; n < 4; ++n) {
    double total = 0;
    for (int64_t v = 0; v < 9; ++v) total += std::exp(logits(n, v));
    want(n, 0) = -std::log(std::exp(logits(n, targets[n])) / total);
  }
  expect_exact(losses, want);
}

TEST(CrossEntropy, OpAgreesWithDoubleInEveryDtypeAndInPlace) {
  std::vector<int32_t> targets = {0, 8, 3, 3};
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView logits(4, 9), losses(4, 1), dlogits(4, 9, dtype, 2);
    Block<double> want_losses(4, 1), want(4, 9);
    scalar::cross_entropy<double, double>(logits.values(), targets.data(), want_losses, want, 0.25,
                                          0, 4);
    OpRun r;
    const CrossEntropy args{.logits = logits,
                            .targets = ints(targets),
                            .losses = losses,
                            .dlogits = dlogits,
                            .scale = 0.25f};
    cross_entropy(r.run, args);
    // exp of a rounded difference, then a sum over the vocabulary.
    const double most = 1 + 2 * max_abs(logits.values());
    expect_agrees(losses, want_losses, 9 + 4, most);
    expect_agrees(dlogits, want, 9 + 4, 0.25 * most);
    const Block<double> apart = dlogits.values(), kept = losses.values();
    CrossEntropy in_place = args;
    in_place.dlogits = logits;
    cross_entropy(r.run, in_place);
    EXPECT_TRUE(same_values(losses.values(), kept));
    if (dtype == Dtype::kF32) {
      EXPECT_TRUE(same_values(logits.values(), apart));
    }
  }
}

TEST(CrossEntropy, WithoutGradientLogitsStayAndLossIsTheSame) {
  std::vector<int32_t> targets = {0, 8};
  const TestView logits(2, 9), with(2, 1), without(2, 1), dlogits(2, 9);
  const Block<double> before = logits.values();
  OpRun r;
  cross_entropy(r.run,
                {.logits = logits, .targets = ints(targets), .losses = with, .dlogits = dlogits});
  cross_entropy(r.run, {.logits = logits, .targets = ints(targets), .losses = without});
  EXPECT_TRUE(same_values(with.values(), without.values()));
  EXPECT_TRUE(same_values(logits.values(), before));
}

TEST(CrossEntropy, HugeLogitsDoNotOverflowAndNanShows) {
  Block<double> values(3, 2);
  values(0, 0) = 3e38, values(0, 1) = -3e38;
  values(1, 0) = -1e4, values(1, 1) = -1e4;
  values(2, 1) = std::numeric_limits<double>::quiet_NaN();
  std::vector<int32_t> targets = {0, 1, 0};
  const TestView logits(values), losses(3, 1);
  OpRun r;
  cross_entropy(r.run, {.logits = logits, .targets = ints(targets), .losses = losses});
  EXPECT_EQ(losses.values()(0, 0), 0);
  EXPECT_NEAR(losses.values()(1, 0), std::log(2.0), 1e4 * 0x1p-23);
  EXPECT_TRUE(std::isnan(losses.values()(2, 0)));
}

TEST(CrossEntropy, ShapesAreCheckedAndDryRunTouchesNothing) {
  std::vector<int32_t> targets = {0, 8}, more = {0, 8, 1};
  const TestView logits(2, 9), losses(2, 1), other(3, 2), half(2, 9, Dtype::kBF16);
  const CrossEntropy args{
      .logits = logits, .targets = ints(targets), .losses = losses, .dlogits = logits};
  OpRun r;
  for (View CrossEntropy::*field : {&CrossEntropy::losses, &CrossEntropy::dlogits,
                                    &CrossEntropy::logits, &CrossEntropy::targets}) {
    CrossEntropy bad = args;
    bad.*field = other;
    EXPECT_THROW(cross_entropy(r.run, bad), InternalError);
  }
  CrossEntropy bad = args;
  bad.targets = ints(more);
  EXPECT_THROW(cross_entropy(r.run, bad), InternalError);
  bad = args;
  bad.logits = half;
  EXPECT_THROW(cross_entropy(r.run, bad), InternalError);
  const Block<double> before = logits.values();
  DryRun dry;
  cross_entropy(dry.run, args);
  EXPECT_TRUE(same_values(logits.values(), before));
}

}  // namespace
}  // namespace falconer::test
