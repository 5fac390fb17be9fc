#include "ops/cuda/driver_state.h"

#include <gtest/gtest.h>

namespace falconer::cuda {
namespace {

TEST(CudaDriverState, EveryReasonHasANextStep) {
  const auto says = [](const DriverState& state, const char* reason, const char* step) {
    const std::string why = why_no_device(state);
    EXPECT_NE(why.find(reason), std::string::npos) << why;
    EXPECT_NE(why.find(step), std::string::npos) << why;
    EXPECT_NE(why.find("--device cpu"), std::string::npos) << why;
  };
  says({.driver = 0, .runtime = 13000, .too_old = true}, "no NVIDIA driver", "install one");
  says({.driver = 12080, .runtime = 13000, .too_old = true}, "it knows CUDA 12.8",
       "update the driver");
  says({.driver = 12080, .runtime = 13000}, "built with 13.0", "update the driver");
  says({.driver = 13000, .runtime = 13000}, "no GPU was found", "CUDA_VISIBLE_DEVICES");
  says({.driver = 13000, .runtime = 13000, .other = "system not yet initialized"},
       "system not yet initialized", "nvidia-smi");
}

TEST(CudaDriverState, NothingIsWrongWhereThereAreDevices) {
  EXPECT_EQ(why_no_device({.driver = 13010, .runtime = 13000, .devices = 2}), "");
  // Drivers of the same major version serve a newer runtime.
  EXPECT_EQ(why_no_device({.driver = 13000, .runtime = 13010, .devices = 1}), "");
}

}  // namespace
}  // namespace falconer::cuda
