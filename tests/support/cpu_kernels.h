// Both tables on the same arguments, for each instruction set that this CPU has: what tests of the
// CPU's kernels share.
#pragma once

// Before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
// clang-format on
#include <hwy/targets.h>

#include "support/op_run.h"

namespace falconer::test {

template <class... Views>
std::vector<TestView> list(Views&&... views) {
  std::vector<TestView> all;
  (all.push_back(std::move(views)), ...);
  return all;
}

/// Both tables on the same arguments. `call` makes its own outputs from the same start and gives
/// them back.
class CpuKernels : public ::testing::TestWithParam<std::tuple<int64_t, Dtype>> {
 protected:
  void SetUp() override {
    hwy::SetSupportedTargetsForTest(std::get<0>(GetParam()));
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  void TearDown() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  Dtype dtype() const { return std::get<1>(GetParam()); }

  /// `terms` bounds how many f32 roundings a value may differ by, relative to the largest value.
  template <class Call>
  void compare(Call&& call, double terms = 64) {
    OpRun reference(scalar_kernels(), 1 << 24), fast(cpu_kernels(), 1 << 24);
    reference.run.activation = fast.run.activation = dtype();
    const std::vector<TestView> want = call(reference.run);
    const std::vector<TestView> got = call(fast.run);
    ASSERT_EQ(want.size(), got.size());
    for (size_t i = 0; i < want.size(); ++i) {
      SCOPED_TRACE("output " + std::to_string(i));
      const Block<double> values = want[i].values();
      // The reference is rounded to the stored dtype too: twice its unit.
      const double unit = want[i].dtype() == Dtype::kBF16 ? 2 * 0x1p-8 : 0;
      const double bound = (terms * 0x1p-24 + unit) * (max_abs(values) + 1e-30);
      const Block<double> other = got[i].values();
      for (int64_t r = 0; r < values.rows(); ++r)
        for (int64_t c = 0; c < values.cols(); ++c)
          ASSERT_LE(std::abs(values(r, c) - other(r, c)), bound) << "at " << r << "," << c;
      EXPECT_TRUE(got[i].margin_intact());
    }
  }
};

inline std::string name_of_case(const ::testing::TestParamInfo<CpuKernels::ParamType>& info) {
  return std::string(hwy::TargetName(std::get<0>(info.param))) + "_" +
         std::string(name_of(std::get<1>(info.param)));
}

/// What this CPU has of what was compiled.
inline std::vector<int64_t> targets() {
  const int64_t compiled = HWY_TARGETS & hwy::SupportedTargets();
  std::vector<int64_t> each;
  for (int64_t bit = 1; bit != 0 && bit <= compiled; bit <<= 1)
    if (compiled & bit) each.push_back(bit);
  return each;
}

inline const auto kEveryCase = ::testing::Combine(::testing::ValuesIn(targets()),
                                                  ::testing::Values(Dtype::kF32, Dtype::kBF16));

}  // namespace falconer::test
