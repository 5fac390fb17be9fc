#include "model/rope_frequencies.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace falconer::test {
namespace {

struct KnownFrequency {
  size_t i;
  float value;
};

/// To one unit in the last place, of numbers that transformers 5.24.0 gave.
void expect_frequencies(const RopeFrequencies& got, float factor,
                        const std::vector<KnownFrequency>& known) {
  EXPECT_EQ(got.factor, factor);
  for (const KnownFrequency& k : known) {
    ASSERT_LT(k.i, got.values.size());
    EXPECT_LE(std::abs(got.values[k.i] - k.value), std::nextafter(k.value, INFINITY) - k.value)
        << "frequency " << k.i << ": " << got.values[k.i] << ", known " << k.value;
  }
}

RopeScaling llama31_scaling() {
  RopeScaling s;
  s.type = RopeType::kLlama3;
  s.factor = 8;
  s.original_context = 8192;
  return s;
}

RopeScaling qwen_yarn_scaling() {
  RopeScaling s;
  s.type = RopeType::kYarn;
  s.factor = 4;
  s.original_context = 32768;
  return s;
}

RopeScaling phi3_scaling(size_t pairs) {
  RopeScaling s;
  s.type = RopeType::kLongRope;
  s.original_context = 4096;
  for (size_t i = 0; i < pairs; ++i) {
    s.short_factors.push_back(1 + 0.05 * static_cast<double>(i));
    s.long_factors.push_back(1 + 2.0 * static_cast<double>(i));
  }
  return s;
}

TEST(RopeFrequencies, DefaultIsTransformers) {
  expect_frequencies(rope_frequencies({}, 10000, 128, 4096), 1,
                     {{0, 1},
                      {1, 0x1.bb5faep-1f},
                      {2, 0x1.7ff222p-1f},
                      {31, 0x1.7a6622p-7f},
                      {63, 0x1.e459c4p-14f}});
  expect_frequencies(rope_frequencies({}, 500000, 128, 4096), 1,
                     {{1, 0x1.a11582p-1f}, {20, 0x1.0f5386p-6f}, {63, 0x1.4985fep-19f}});
}

TEST(RopeFrequencies, LinearIsTransformers) {
  RopeScaling s;
  s.type = RopeType::kLinear;
  s.factor = 4;
  expect_frequencies(
      rope_frequencies(s, 10000, 64, 16384), 1,
      {{0, 0x1p-2f}, {1, 0x1.7ff222p-3f}, {15, 0x1.b4f7e4p-9f}, {31, 0x1.17a8e4p-15f}});
  s.factor = 2.5;
  expect_frequencies(
      rope_frequencies(s, 10000, 64, 16384), 1,
      {{0, 0x1.99999ap-2f}, {1, 0x1.33281cp-2f}, {15, 0x1.5d931cp-8f}, {31, 0x1.bf74a0p-15f}});
}

TEST(RopeFrequencies, DynamicIsTheDefaultUntilTheContextEnds) {
  RopeScaling s;
  s.type = RopeType::kDynamic;
  s.factor = 2.5;
  expect_frequencies(rope_frequencies(s, 10000, 64, 3000, 100), 1,
                     {{0, 1}, {1, 0x1.7ff222p-1f}, {15, 0x1.b4f7e4p-7f}, {31, 0x1.17a8e4p-13f}});
  s.factor = 2;
  expect_frequencies(rope_frequencies(s, 10000, 64, 4096, 6000), 1,
                     {{0, 1}, {1, 0x1.77e3d2p-1f}, {15, 0x1.3dea40p-7f}, {31, 0x1.21d98ap-14f}});
}

TEST(RopeFrequencies, Llama3IsTransformers) {
  RopeScaling s = llama31_scaling();
  expect_frequencies(rope_frequencies(s, 500000, 128, 131072), 1,
                     {{0, 1},
                      {1, 0x1.a11582p-1f},
                      {28, 0x1.a4ee40p-9f},
                      {29, 0x1.1bfa0cp-9f},
                      {30, 0x1.67a23ap-10f},
                      {32, 0x1.132ba4p-11f},
                      {34, 0x1.765ba4p-13f},
                      {35, 0x1.90d10cp-14f},
                      {36, 0x1.46831ap-14f},
                      {63, 0x1.4985fep-22f}});
  s.factor = 32;
  expect_frequencies(rope_frequencies(s, 500000, 64, 131072), 1,
                     {{0, 1},
                      {13, 0x1.3d2804p-8f},
                      {14, 0x1.a4ee40p-9f},
                      {15, 0x1.524f36p-10f},
                      {16, 0x1.c26c40p-12f},
                      {17, 0x1.9731eep-14f},
                      {18, 0x1.46831ap-16f},
                      {31, 0x1.948360p-24f}});
}

TEST(RopeFrequencies, YarnIsTransformers) {
  RopeScaling s = qwen_yarn_scaling();
  expect_frequencies(rope_frequencies(s, 1e6, 128, 131072), 1.138629436111989f,
                     {{0, 1},
                      {20, 0x1.b4f7e4p-7f},
                      {40, 0x1.74eea6p-15f},
                      {41, 0x1.2c8648p-15f},
                      {45, 0x1.faeba8p-17f},
                      {50, 0x1.58863ap-18f},
                      {55, 0x1.d44e64p-20f},
                      {60, 0x1.3e47c8p-21f},
                      {63, 0x1.4d1c98p-22f}});
  s.attention_factor = 1.25;
  expect_frequencies(rope_frequencies(s, 1e6, 128, 131072), 1.25f, {{45, 0x1.faeba8p-17f}});
  s = qwen_yarn_scaling();
  s.factor.reset();  // of the contexts
  expect_frequencies(rope_frequencies(s, 1e6, 128, 131072), 1.138629436111989f,
                     {{45, 0x1.faeba8p-17f}});
  s.factor = 1;
  expect_frequencies(rope_frequencies(s, 1e6, 128, 131072), 1, {{45, 0x1.faeba8p-15f}});
}

TEST(RopeFrequencies, YarnOfDeepSeekIsTransformers) {
  RopeScaling s;
  s.type = RopeType::kYarn;
  s.factor = 40;
  s.original_context = 4096;
  s.mscale = 1.0;
  s.mscale_all_dim = 0.8;
  expect_frequencies(rope_frequencies(s, 10000, 64, 163840), 1.0569662567531275f,
                     {{0, 1},
                      {10, 0x1.ccab84p-5f},
                      {11, 0x1.3f8b74p-5f},
                      {15, 0x1.111aeep-7f},
                      {20, 0x1.9e7c6ep-11f},
                      {23, 0x1.17a8e2p-15f},
                      {24, 0x1.a36e2ep-16f},
                      {31, 0x1.bf749ep-19f}});
  s.mscale.reset();
  s.mscale_all_dim.reset();
  s.truncate = false;
  s.beta_fast = 16;
  s.beta_slow = 2;
  expect_frequencies(rope_frequencies(s, 10000, 64, 163840), 1.3688879454113936f,
                     {{0, 1},
                      {10, 0x1.ccab84p-5f},
                      {11, 0x1.59742ap-5f},
                      {15, 0x1.37fac6p-7f},
                      {20, 0x1.03f278p-13f},
                      {23, 0x1.17a8e2p-15f},
                      {24, 0x1.a36e2ep-16f},
                      {31, 0x1.bf749ep-19f}});
}

TEST(RopeFrequencies, LongRopeIsTransformers) {
  RopeScaling s = phi3_scaling(16);
  expect_frequencies(rope_frequencies(s, 10000, 32, 131072, 4096), 1.1902380714238083f,
                     {{0, 1}, {1, 0x1.123556p-1f}, {8, 0x1.d41d42p-8f}, {15, 0x1.aa3552p-14f}});
  expect_frequencies(rope_frequencies(s, 10000, 32, 131072, 4097), 1.1902380714238083f,
                     {{0, 1}, {1, 0x1.7fe444p-3f}, {8, 0x1.34679ap-11f}, {15, 0x1.80f658p-18f}});
  s.factor = 1;
  expect_frequencies(rope_frequencies(s, 10000, 32, 131072, 4097), 1, {{1, 0x1.7fe444p-3f}});
  s.factor.reset();
  s.attention_factor = 1.5;
  expect_frequencies(rope_frequencies(s, 10000, 32, 131072), 1.5f, {{1, 0x1.123556p-1f}});
}

TEST(RopeFrequencies, WhatCannotBeIsRefused) {
  RopeScaling s = phi3_scaling(15);
  EXPECT_THROW(rope_frequencies(s, 10000, 32, 131072), Error);
  s = phi3_scaling(16);
  s.short_factors[3] = 0;
  EXPECT_THROW(rope_frequencies(s, 10000, 32, 131072), Error);
  EXPECT_NO_THROW(rope_frequencies(s, 10000, 32, 131072, 5000));
  s = llama31_scaling();
  s.factor = 0;
  EXPECT_THROW(rope_frequencies(s, 10000, 32, 131072), Error);
}

TEST(RopeFrequencies, TypesByName) {
  EXPECT_EQ(rope_type_of("default"), RopeType::kDefault);
  EXPECT_EQ(rope_type_of("linear"), RopeType::kLinear);
  EXPECT_EQ(rope_type_of("dynamic"), RopeType::kDynamic);
  EXPECT_EQ(rope_type_of("llama3"), RopeType::kLlama3);
  EXPECT_EQ(rope_type_of("yarn"), RopeType::kYarn);
  EXPECT_EQ(rope_type_of("longrope"), RopeType::kLongRope);
  EXPECT_EQ(rope_type_of("su"), RopeType::kLongRope);
  EXPECT_EQ(rope_type_of("mrope"), std::nullopt);
}

}  // namespace
}  // namespace falconer::test
