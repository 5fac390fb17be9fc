// Every table of kernels on the same arguments as the readable one: the CPU's for each instruction
// set that this CPU has, the device's on an emulated device, and on a real one where there is one.
#pragma once

// Before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
// clang-format on
#include <hwy/targets.h>

#include "support/devices.h"
#include "support/op_run.h"

namespace falconer::test {

template <class... Views>
std::vector<TestView> list(Views&&... views) {
  std::vector<TestView> all;
  (all.push_back(std::move(views)), ...);
  return all;
}

/// A table under test. Nothing is opened before a test asks.
struct Table {
  std::string name;
  int64_t cpu_target = 0;                   // of the CPU's table
  const TestDevice* (*device)() = nullptr;  // of the others; gives null where there is none
};
/// Else GoogleTest prints its bytes, those between the members too.
inline void PrintTo(const Table& table, std::ostream* out) { *out << table.name; }

inline std::vector<Table> tables() {
  std::vector<Table> all;
  const int64_t compiled = HWY_TARGETS & hwy::SupportedTargets();
  for (int64_t bit = 1; bit != 0 && bit <= compiled; bit <<= 1)
    if (compiled & bit) all.push_back({.name = hwy::TargetName(bit), .cpu_target = bit});
  all.push_back({.name = "emulated", .device = emulated_device});
  all.push_back({.name = "emulated_small", .device = small_emulated_device});
  all.push_back({.name = "cuda", .device = cuda_device});
  return all;
}

/// Both tables on the same arguments. `call` makes its own outputs from the same start and gives
/// them back.
class Tables : public ::testing::TestWithParam<std::tuple<Table, Dtype>> {
 protected:
  void SetUp() override {
    const Table& table = std::get<0>(GetParam());
    if (table.device != nullptr) {
      device_ = table.device();
      if (device_ == nullptr) GTEST_SKIP() << "no device of this kind is here";
      test_device = device_->device;
      return;
    }
    hwy::SetSupportedTargetsForTest(table.cpu_target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  void TearDown() override {
    test_device = nullptr;
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  Dtype dtype() const { return std::get<1>(GetParam()); }
  const Kernels& kernels() const { return device_ != nullptr ? *device_->kernels : cpu_kernels(); }
  bool on_device() const { return device_ != nullptr; }
  /// Rows of a product that are computed one by one.
  int64_t small_rows() const { return on_device() ? 8 : 32; }

  /// Whatever `call` makes lies in host memory.
  template <class Call>
  static auto on_host(Call&& call) {
    Device* const before = std::exchange(test_device, nullptr);
    auto result = call();
    test_device = before;
    return result;
  }

  /// `terms` bounds how many f32 roundings a value may differ by, relative to the largest value.
  template <class Call>
  void compare(Call&& call, double terms = 64) {
    const std::vector<TestView> want = on_host([&] {
      OpRun reference(scalar_kernels(), 1 << 24);
      reference.run.activation = dtype();
      return call(reference.run);
    });
    OpRun fast(kernels(), 1 << 24);
    fast.run.activation = dtype();
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

 private:
  const TestDevice* device_ = nullptr;
};

inline std::string name_of_case(const ::testing::TestParamInfo<Tables::ParamType>& info) {
  return std::get<0>(info.param).name + "_" + std::string(name_of(std::get<1>(info.param)));
}

inline const auto kEveryCase =
    ::testing::Combine(::testing::ValuesIn(tables()), ::testing::Values(Dtype::kF32, Dtype::kBF16));

}  // namespace falconer::test
