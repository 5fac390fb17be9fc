// selftest: its numbers are those of the readable definitions, and what is wrong does not pass.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/measure/selftest_numbers.h"
#include "falconer/falconer.h"
#include "ops/linear.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/sanitized.h"

namespace falconer::test {
namespace {

std::vector<SelfTestNumbers> scalar_numbers(Precision precision) {
  return self_test_numbers({.device = "cpu", .kernels = &scalar_kernels()}, precision);
}

/// As selftest_golden.cc has them.
std::string as_source(const std::vector<SelfTestNumbers>& all) {
  std::string text;
  for (const SelfTestNumbers& numbers : all) {
    text += fmt::format("{{\"{}\", {{", numbers.name);
    for (size_t i = 0; i < numbers.values.size(); ++i)
      text += fmt::format("{}{:.9g}", i == 0 ? "" : ", ", numbers.values[i]);
    text += numbers.exact ? "}, true},\n" : "}},\n";
  }
  return text;
}

TEST(SelfTest, BuiltInNumbersAreThoseOfTheScalarDefinition) {
  // Another compiler or C library may round the last bit another way; in bf16 that can become a bit of
  // eight.
  for (const auto& [precision, bound] :
       {std::pair(Precision::kF32, 1e-5), std::pair(Precision::kBF16, 5e-3)}) {
    const auto got = scalar_numbers(precision);
    std::string worst;
    EXPECT_LE(largest_difference(got, golden_numbers(precision), worst), bound)
        << worst << " differ; if the definition was meant to change, these are the new numbers:\n"
        << as_source(got);
  }
}

TEST(SelfTest, NumbersThatAreOffInOneKernelDoNotPass) {
  static Kernels wrong = scalar_kernels();
  const auto difference = [](const Kernels& kernels) {
    std::string worst;
    return largest_difference(
        self_test_numbers({.device = "cpu", .kernels = &kernels}, Precision::kF32),
        golden_numbers(Precision::kF32), worst);
  };
  const double tolerance = self_test_tolerance(Precision::kF32);
  wrong.gelu_backward = [](const GeluBackward&) {};
  EXPECT_GT(difference(wrong), tolerance);
  wrong = scalar_kernels();
  wrong.linear_forward = [](const LinearForward& op) {
    scalar_kernels().linear_forward(op);
    op.y.dtype == Dtype::kF32 ? void(op.y.row<float>(op.y.rows - 1)[op.y.cols - 1] *= 1.01f)
                              : void();
  };
  EXPECT_GT(difference(wrong), tolerance);
  wrong = scalar_kernels();
  wrong.dropout = [](const Dropout& op) { copy_converted(op.x, op.y); };
  EXPECT_GT(difference(wrong), tolerance);
}

TEST(SelfTest, ComparisonRefusesWhatIsNotTheSame) {
  const std::vector<SelfTestNumbers> want = {{"a", {1, 2}}, {"ids", {3, 4}, true}};
  std::string worst;
  EXPECT_EQ(largest_difference(want, want, worst), 0);
  auto got = want;
  got[0].values[0] = 1.1;
  EXPECT_NEAR(largest_difference(got, want, worst), 0.05, 1e-9);
  EXPECT_EQ(worst, "a");
  got[1].values[0] = 4;
  EXPECT_GT(largest_difference(got, want, worst), 1e6);
  EXPECT_EQ(worst, "ids");
  got = want;
  got[0].values[1] = std::nan("");
  EXPECT_GT(largest_difference(got, want, worst), 1e6);
  got.pop_back();
  EXPECT_GT(largest_difference(got, want, worst), 1e6);
}

TEST(SelfTest, EveryBackendOfThisMachineIsRight) {
  SelfTestOptions options;
  options.program = program_path();
  options.threads = 2;
  const SelfTestReport report = selftest(options);
  EXPECT_TRUE(report.passed) << report.text;
  ASSERT_GE(report.lines.size(), 3u);
  EXPECT_EQ(report.lines[0].name, "scalar");
  double seconds = 0;
  for (const SelfTestLine& line : report.lines) {
    seconds += line.seconds;
    EXPECT_LT(line.peak_rss_bytes, line.name.starts_with("cuda") ? int64_t{4} << 30
                                   : kSanitized                  ? int64_t{2} << 30
                                                                 : 200'000'000)
        << line.name;
    if (line.name == "AMX" && line.state == "absent") {
      EXPECT_EQ(line.detail, "not on this CPU");
    }
  }
  EXPECT_LT(seconds, kSanitized ? 300 : 30);  // 10 on a machine that does nothing else
  const auto json = nlohmann::json::parse(report.json);
  EXPECT_EQ(json["lines"].size(), report.lines.size());
  expect_mentions(report.text, {"scalar", "threads", "are right"});
}

TEST(SelfTest, UnknownLinesAreRefused) {
  expect_mentions(message_of([] { selftest({.only = "AVX9000", .program = {}}); }),
                  {"AVX9000", "AVX2"});
}

}  // namespace
}  // namespace falconer::test
