// What keeps an optimizer small: moments in 8 bits, and weights in bf16 with stochastic rounding.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/moment_code.h"
#include "ops/optimizer.h"
#include "support/tables.h"

namespace falconer::test {
namespace {

// Of bitsandbytes' create_dynamic_map(signed=True) and (signed=False), max_exponent_bits 7.
TEST(MomentCode, IsThatOfBitsandbytes) {
  const struct {
    int code;
    double first, second;
  } want[] = {{0, -0.99296875, 0},
              {1, -0.97890625, 3.25e-7},
              {63, -0.10703125, 0.010703125},
              {64, -0.09859375, 0.012109375},
              {126, -5.5e-7, 0.099296875},
              {127, 0, 0.103515625},
              {128, 5.5e-7, 0.110546875},
              {129, 3.25e-6, 0.117578125},
              {192, 0.12109375, 0.560546875},
              {254, 0.99296875, 0.996484375},
              {255, 1, 1}};
  for (const auto& w : want) {
    EXPECT_NEAR(kFirstMomentCode.value[w.code], w.first, 1e-7 * std::abs(w.first)) << w.code;
    EXPECT_NEAR(kSecondMomentCode.value[w.code], w.second, 1e-7 * w.second) << w.code;
  }
  for (int i = 1; i < 256; ++i) {
    EXPECT_GT(kFirstMomentCode.value[i], kFirstMomentCode.value[i - 1]);
    EXPECT_GT(kSecondMomentCode.value[i], kSecondMomentCode.value[i - 1]);
  }
}

int nearest_by_search(const MomentCode& code, float x) {
  int best = 0;
  for (int i = 1; i < 256; ++i)
    if (std::abs(code.value[i] - x) < std::abs(code.value[best] - x)) best = i;
  return best;
}

TEST(MomentCode, TheNearestIsFound) {
  const RandomStream random(1, RandomPurpose::kTest);
  for (uint64_t i = 0; i < 20000; ++i) {
    const float size = std::pow(10.0f, -8 * random.uniform(2 * i));
    const float x = random.uniform(2 * i + 1) < 0.5f ? -size : size;
    for (const MomentCode* code : {&kFirstMomentCode, &kSecondMomentCode}) {
      if (x < 0 && code == &kSecondMomentCode) continue;
      const int got = nearest_code(*code, x), want = nearest_by_search(*code, x);
      EXPECT_LE(std::abs(code->value[got] - x), std::abs(code->value[want] - x) + 1e-9f) << x;
    }
  }
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(nearest_code(kFirstMomentCode, kFirstMomentCode.value[i]), i);
    EXPECT_EQ(nearest_code(kSecondMomentCode, kSecondMomentCode.value[i]), i);
  }
}

// The root of it divides: 0 there would make the next step as long as 1 / eps.
TEST(MomentCode, ASecondMomentAboveZeroStaysAboveZero) {
  EXPECT_EQ(second_moment_code(kSecondMomentCode, 1e-30f), 1);
  EXPECT_EQ(second_moment_code(kSecondMomentCode, 0), 0);
  EXPECT_EQ(second_moment_code(kSecondMomentCode, 1), 255);
}

TEST(StochasticRounding, TheMeanIsTheNumber) {
  const RandomStream random(2, RandomPurpose::kTest);
  constexpr int kDraws = 1 << 16;
  for (const float x : {1.001f, -3.1415927f, 1e-20f, 0.0f, 257.25f}) {
    double sum = 0;
    for (uint32_t bits = 0; bits < kDraws; ++bits) {
      const float rounded = round_stochastic(x, bits);
      EXPECT_LE(std::abs(rounded - x), std::abs(x) / 128);
      sum += rounded;
    }
    EXPECT_NEAR(sum / kDraws, x, std::abs(x) * 0x1p-23) << x;  // every chance once: no error at all
  }
  for (const float exact : {1.0f, -0.5f, 3.0f})
    EXPECT_EQ(float(round_stochastic(exact, 0xffff)), exact);
  EXPECT_TRUE(std::isnan(float(round_stochastic(NAN, 0xffff))));
  EXPECT_TRUE(std::isinf(float(round_stochastic(INFINITY, 0xffff))));
}

/// A tensor under a table, with what the optimizer keeps.
struct Kept {
  Tensor w, g, m, v, m_scale, v_scale;

  Kept(int64_t n, Dtype weight, bool coded)
      : w(1, n, weight, test_device),
        g(1, n, Dtype::kF32, test_device),
        m(1, n, coded ? Dtype::kU8 : Dtype::kF32, test_device),
        v(1, n, coded ? Dtype::kU8 : Dtype::kF32, test_device) {
    if (!coded) return;
    m_scale = Tensor(1, moment_blocks(n), Dtype::kF32, test_device);
    v_scale = Tensor(1, moment_blocks(n), Dtype::kF32, test_device);
  }

  /// Gradients whose sizes lie up to so many decades apart.
  void step(Run& run, int64_t number, size_t decades = 4) {
    std::vector<float> gradient(static_cast<size_t>(g.view().size()));
    const RandomStream random(3, RandomPurpose::kTest, static_cast<uint32_t>(number));
    for (size_t i = 0; i < gradient.size(); ++i)
      gradient[i] = random.normal(i) * std::pow(10.0f, -static_cast<float>(i % (decades + 1)));
    set_values(g.view(), gradient);
    adamw(run, {.w = w.view(),
                .g = g.view(),
                .m = m.view(),
                .v = v.view(),
                .m_scale = m_scale.view(),
                .v_scale = v_scale.view(),
                .rounding = RandomStream(5, RandomPurpose::kRound, static_cast<uint32_t>(number)),
                .lr = 0.01,
                .weight_decay = 0.1,
                .grad_scale = 0.5,
                .step = number});
  }

  static std::vector<uint8_t> codes(const Tensor& t) {
    std::vector<uint8_t> out(static_cast<size_t>(t.view().size()));
    copy_converted(t.view(), {out.data(), 1, t.view().cols, t.view().cols, Dtype::kU8});
    return out;
  }
};

using SmallMoments = Tables;  // dtype: of the weights

// Numbers that lie between two codes, or two numbers in bf16, may fall to either side.
void expect_codes_near(const Tensor& got, const Tensor& want) {
  const auto a = Kept::codes(got), b = Kept::codes(want);
  int different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_LE(std::abs(int{a[i]} - int{b[i]}), 1) << i;
    different += a[i] != b[i];
  }
  EXPECT_LE(different, 1 + static_cast<int>(a.size()) / 100);
}

void expect_values_near(const Tensor& got, const Tensor& want, double relative) {
  const auto a = host_values(got.view()), b = host_values(want.view());
  int different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_LE(std::abs(a[i] - b[i]), relative * std::abs(b[i]) + 1e-9) << i;
    different += std::abs(a[i] - b[i]) > 1e-5 * std::abs(b[i]) + 1e-9;
  }
  EXPECT_LE(different, 1 + static_cast<int>(a.size()) / 50);
}

TEST_P(SmallMoments, EveryTableKeepsTheSame) {
  for (const bool coded : {true, false})
    for (const int64_t n : {int64_t{1}, int64_t{1000}, 40 * kMomentBlock}) {
      SCOPED_TRACE(std::to_string(n) + (coded ? " coded" : ""));
      const std::vector<float> start = [&] {
        std::vector<float> x(static_cast<size_t>(n));
        for (size_t i = 0; i < x.size(); ++i)
          x[i] = RandomStream(4, RandomPurpose::kTest).normal(i);
        return x;
      }();
      Kept want = on_host([&] { return Kept(n, dtype(), coded); });
      Kept got(n, dtype(), coded);
      set_values(want.w.view(), start);
      set_values(got.w.view(), start);
      OpRun fast(kernels());
      for (int64_t step = 1; step <= 3; ++step) {
        on_host([&] {
          OpRun reference(scalar_kernels());
          want.step(reference.run, step);
          return 0;
        });
        got.step(fast.run, step);
      }
      // A code that fell to the other side moves w by a hundredth of a step.
      expect_values_near(got.w, want.w, dtype() == Dtype::kBF16 ? 0x1p-6 : 1e-3);
      if (!coded) continue;
      expect_codes_near(got.m, want.m);
      expect_codes_near(got.v, want.v);
      expect_values_near(got.m_scale, want.m_scale, 0.02);
      expect_values_near(got.v_scale, want.v_scale, 0.02);
    }
}

INSTANTIATE_TEST_SUITE_P(All, SmallMoments, kEveryCase, name_of_case);

/// How far weights went from 1 on an average in some steps, and where each is.
double distance(bool bf16, bool coded, std::vector<float>* out) {
  constexpr int64_t kCount = 2048;
  Kept kept(kCount, bf16 ? Dtype::kBF16 : Dtype::kF32, coded);
  set_values(kept.w.view(), std::vector<float>(kCount, 1.0f));
  OpRun r;
  for (int64_t step = 1; step <= 60; ++step) kept.step(r.run, step, 2);
  *out = host_values(kept.w.view());
  double sum = 0;
  for (const float w : *out) sum += w - 1;
  return sum / kCount;
}

TEST(SmallMoments, LearnAsF32Does) {
  std::vector<float> whole, coded, small;
  const double want = distance(false, false, &whole);
  EXPECT_NEAR(distance(false, true, &coded), want, 0.002);
  // Steps of 0.01 are 1.3 of bf16's units at 1: without chance they would be 1 or 2.
  EXPECT_NEAR(distance(true, true, &small), want, 0.002);
  double error = 0, moved = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    error += std::pow(coded[i] - whole[i], 2);
    moved += std::pow(whole[i] - 1, 2);
  }
  EXPECT_LT(std::sqrt(error / moved), 0.1);
}

// Steps far below half a unit of bf16: rounded to the nearest, nothing would ever be learned.
TEST(SmallMoments, StepsBelowBf16AreNotLost) {
  constexpr int64_t kCount = 4096;
  constexpr int kSteps = 100;
  const Tensor w(1, kCount, Dtype::kBF16), g(1, kCount, Dtype::kF32);
  set_values(w.view(), std::vector<float>(kCount, 1.0f));
  set_values(g.view(), std::vector<float>(kCount, 1.0f));
  OpRun r;
  for (uint32_t step = 0; step < kSteps; ++step)
    sgd(r.run, {.w = w.view(),
                .g = g.view(),
                .rounding = RandomStream(1, RandomPurpose::kRound, step),
                .lr = 1e-4});
  double mean = 0;
  for (const float value : host_values(w.view())) mean += value / kCount;
  // 0.01 down, and the sum of so many chances spreads by 0.0039 / sqrt(4096) * about 1.
  EXPECT_NEAR(mean, 1 - kSteps * 1e-4, 3e-4);
}

}  // namespace
}  // namespace falconer::test
