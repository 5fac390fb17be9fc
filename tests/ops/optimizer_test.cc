#include "ops/optimizer.h"

#include <cmath>
#include <limits>

#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr int kCount = 5, kSteps = 10;
constexpr double kStart[kCount] = {0.5, -1.25, 2.0, 1e-3, -3.0};

// Exact in f32. Element 3 is small beside the others, where eps starts to count.
double gradient(int step, int i) {
  return ((step * 7 + i * 5) % 11 - 5) / (i == 3 ? 1048576.0 : 8.0);
}

struct State {
  Tensor w{1, kCount, Dtype::kF32}, g{1, kCount, Dtype::kF32}, m{1, kCount, Dtype::kF32},
      v{1, kCount, Dtype::kF32};
  State() {
    for (int i = 0; i < kCount; ++i) w.view().row<float>(0)[i] = static_cast<float>(kStart[i]);
  }
  void set_gradient(int step, float factor) {
    for (int i = 0; i < kCount; ++i)
      g.view().row<float>(0)[i] = factor * static_cast<float>(gradient(step, i));
  }
};

State run_adamw(AdamW args, float factor = 1) {
  State s;
  OpRun r;
  args.w = s.w.view(), args.g = s.g.view(), args.m = s.m.view(), args.v = s.v.view();
  for (int step = 1; step <= kSteps; ++step) {
    s.set_gradient(step, factor);
    args.step = step;
    adamw(r.run, args);
  }
  return s;
}

struct Expected {
  float w[kCount], m[kCount], v[kCount];
};

void expect_state(const State& s, const Expected& want, double lr, const char* what) {
  SCOPED_TRACE(what);
  for (int i = 0; i < kCount; ++i) {
    // Per step: two roundings of w and about six of an update that is at most some lr; three each
    // of the averages, where m sums both signs of gradients up to 5/8 (or 5/2^20).
    const double most_g = i == 3 ? 5.0 / 1048576 : 5.0 / 8;
    EXPECT_NEAR(s.w.view().row<float>(0)[i], want.w[i],
                kSteps * 0x1p-24 * (2 * std::abs(want.w[i]) + 12 * lr));
    EXPECT_NEAR(s.m.view().row<float>(0)[i], want.m[i], kSteps * 3 * 0x1p-24 * 0.5 * most_g);
    EXPECT_NEAR(s.v.view().row<float>(0)[i], want.v[i], kSteps * 3 * 0x1p-24 * want.v[i]);
  }
}

const AdamW kDefault{.lr = 1e-2, .weight_decay = 0.1};
const AdamW kShort{.lr = 3e-3, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.02};

// From torch.optim.AdamW (2.15, foreach=False) on these numbers.
TEST(AdamW, MatchesTorchOverTenSteps) {
  expect_state(
      run_adamw(kDefault),
      {{0x1.da2d3ep-2f, -0x1.36cae4p+0f, 0x1.fa704ep+0f, 0x1.d61898p-7f, -0x1.7976b6p+1f},
       {0x1.b8456ep-6f, 0x1.c8b416p-6f, -0x1.bed150p-5f, 0x1.4006fep-23f, -0x1.92c61ep-6f},
       {0x1.5a87a2p-10f, 0x1.c089c2p-10f, 0x1.5aaa18p-10f, 0x1.bc423ap-44f, 0x1.7f62b0p-10f}},
      1e-2, "default betas");
  expect_state(run_adamw(kShort),
               {{0x1.f5dd98p-2f, -0x1.3dfc0ep+0f, 0x1.ff8a5ap+0f, 0x1.1a34dep-8f, -0x1.7ef57cp+1f},
                {0x1.b8456ep-6f, 0x1.c8b416p-6f, -0x1.bed150p-5f, 0x1.4006fep-23f, -0x1.92c61ep-6f},
                {0x1.af1154p-5f, 0x1.1ac90ep-4f, 0x1.b7b6dap-5f, 0x1.11ede4p-38f, 0x1.e78c54p-5f}},
               3e-3, "short second average");
}

// The paper's form: hats first, and the decay decoupled.
TEST(AdamW, MatchesThePapersFormulasInDouble) {
  const AdamW a = kDefault;
  const State s = run_adamw(a);
  for (int i = 0; i < kCount; ++i) {
    double w = static_cast<float>(kStart[i]), m = 0, v = 0;
    for (int t = 1; t <= kSteps; ++t) {
      const double g = gradient(t, i);
      m = a.beta1 * m + (1 - a.beta1) * g;
      v = a.beta2 * v + (1 - a.beta2) * g * g;
      const double m_hat = m / (1 - std::pow(a.beta1, t)), v_hat = v / (1 - std::pow(a.beta2, t));
      w = w - a.lr * a.weight_decay * w - a.lr * m_hat / (std::sqrt(v_hat) + a.eps);
    }
    EXPECT_NEAR(s.w.view().row<float>(0)[i], w, kSteps * 0x1p-24 * (2 * std::abs(w) + 12 * a.lr));
  }
}

TEST(AdamW, GradScaleScalesTheGradient) {
  AdamW scaled = kDefault;
  scaled.grad_scale = 0.25f;
  const State a = run_adamw(scaled, 4), b = run_adamw(kDefault);
  for (int i = 0; i < kCount; ++i)
    EXPECT_EQ(a.w.view().row<float>(0)[i], b.w.view().row<float>(0)[i]);
}

// From torch.optim.SGD (2.15, foreach=False).
TEST(Sgd, MatchesTorchOverTenSteps) {
  const float want[] = {0x1.f48d82p-2f, -0x1.3cd32cp+0f, 0x1.fc8044p+0f, 0x1.038824p-10f,
                        -0x1.7b8ab6p+1f};
  State s;
  OpRun r;
  for (int step = 1; step <= kSteps; ++step) {
    s.set_gradient(step, 4);
    sgd(r.run,
        {.w = s.w.view(), .g = s.g.view(), .lr = 1e-2, .weight_decay = 0.1, .grad_scale = 0.25f});
  }
  for (int i = 0; i < kCount; ++i)
    EXPECT_NEAR(s.w.view().row<float>(0)[i], want[i],
                kSteps * 0x1p-24 * (2 * std::abs(want[i]) + 3 * 1e-2));
}

// Work is cut into pieces of elements; no element may feel where it was cut.
TEST(AdamW, LargeTensorsAgreeWithSmallOnes) {
  constexpr int64_t kLarge = 3 * (1 << 14) + 7;
  Tensor t[4];
  for (int k = 0; k < 4; ++k) {
    t[k] = Tensor(1, kLarge, Dtype::kF32);
    for (int64_t i = 0; i < kLarge; ++i)
      t[k].view().row<float>(0)[i] = static_cast<float>(i % 97 + k + 1) / 64;
  }
  OpRun r;
  const AdamW args{.lr = 0.1, .weight_decay = 0.1, .step = 3};
  const auto step = [&](Tensor* x, int64_t first, int64_t count) {
    AdamW a = args;
    a.w = x[0].view().col_range(first, count), a.g = x[1].view().col_range(first, count);
    a.m = x[2].view().col_range(first, count), a.v = x[3].view().col_range(first, count);
    adamw(r.run, a);
  };
  step(t, 0, kLarge);
  for (int64_t i = 97; i < kLarge; ++i)
    ASSERT_EQ(t[0].view().row<float>(0)[i], t[0].view().row<float>(0)[i - 97]) << i;
}

TEST(Optimizer, ShapesAreCheckedAndDryRunTouchesNothing) {
  State s;
  s.set_gradient(1, 1);
  const View w = s.w.view(), g = s.g.view(), m = s.m.view(), v = s.v.view();
  const Tensor other(1, kCount + 1, Dtype::kF32), half(1, kCount, Dtype::kBF16);
  OpRun r;
  for (const View& bad : {other.view(), half.view()}) {
    EXPECT_THROW(adamw(r.run, {.w = w, .g = bad, .m = m, .v = v}), InternalError);
    EXPECT_THROW(adamw(r.run, {.w = w, .g = g, .m = bad, .v = v}), InternalError);
    EXPECT_THROW(adamw(r.run, {.w = w, .g = g, .m = m, .v = bad}), InternalError);
    EXPECT_THROW(sgd(r.run, {.w = w, .g = bad}), InternalError);
    EXPECT_THROW(adamw(r.run, {.w = w, .g = g, .m = m, .v = v, .m_scale = bad, .v_scale = bad}),
                 InternalError);
  }
  EXPECT_THROW(sgd(r.run, {.w = TestView(3, 7), .g = TestView(3, 7)}), InternalError);
  DryRun dry;
  adamw(dry.run, {.w = w, .g = g, .m = m, .v = v, .lr = 1});
  sgd(dry.run, {.w = w, .g = g, .lr = 1});
  EXPECT_EQ(sum_of_squares(dry.run, w), 0);
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(w.row<float>(0)[i], static_cast<float>(kStart[i]));
}

TEST(SumOfSquares, IsExactToDoubleAndIgnoresTheMargin) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const auto& [n, c] : {std::pair<int64_t, int64_t>{3, 7}, {1, 1}, {65, 33}, {0, 4}}) {
      const TestView x(n, c, dtype);
      const Block<double> values = x.values();
      double want = 0;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < c; ++j) want += values(i, j) * values(i, j);
      OpRun r;
      EXPECT_NEAR(sum_of_squares(r.run, x), want, 1e-13 * want);
    }
}

TEST(SumOfSquares, DoesNotOverflowInF32) {
  Block<double> large(1, 2);
  large(0, 0) = 1e30, large(0, 1) = 1e30;
  OpRun r;
  EXPECT_NEAR(sum_of_squares(r.run, TestView(large)), 2e60, 1e54);
}

TEST(SumOfSquares, IsNotFiniteWhereAnElementIsNot) {
  OpRun r;
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const double bad :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
      Block<double> values = random_block(5, 7, 1);
      values(4, 6) = bad;
      EXPECT_FALSE(std::isfinite(sum_of_squares(r.run, TestView(values, dtype)))) << bad;
    }
}

}  // namespace
}  // namespace falconer::test
