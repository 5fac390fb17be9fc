#include "ops/devices.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "support/devices.h"

namespace falconer::test {
namespace {

TEST(Devices, TheCpuIsTheHostsMemoryAndTheDefault) {
  ::unsetenv("FALCONER_DEVICE");
  for (const char* name : {"", "cpu"}) {
    const OpenedDevice opened = open_device(name);
    EXPECT_EQ(opened.device, nullptr);
    EXPECT_EQ(opened.kernels, &cpu_kernels());
  }
}

TEST(Devices, TheEnvironmentSetsTheDefaultAlone) {
  ASSERT_TRUE(has_device("emulated"));
  ::setenv("FALCONER_DEVICE", "emulated", 1);
  EXPECT_NE(open_device("").device, nullptr);
  EXPECT_EQ(open_device("cpu").device, nullptr);
  ::setenv("FALCONER_DEVICE", "abacus", 1);
  EXPECT_THROW(check_device_name(""), Error);
  ::unsetenv("FALCONER_DEVICE");
}

TEST(Devices, AutoIsTheCpuWhereThereIsNothingElse) {
  EXPECT_EQ(open_device("auto").device != nullptr, cuda_device() != nullptr);
}

TEST(Devices, WhatIsNotThereIsAnErrorThatSaysWhatToDo) {
  if (cuda_device() == nullptr) {
    try {
      open_device("cuda");
      FAIL();
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_NE(what.find("--device cpu"), std::string::npos) << what;
      EXPECT_EQ(what.find("built without CUDA") != std::string::npos, !built_with_cuda()) << what;
    }
  } else {
    EXPECT_THROW(open_device("cuda:9999"), Error);
  }
}

}  // namespace
}  // namespace falconer::test
