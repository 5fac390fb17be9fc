#include "support/emulated_gpu.h"
// Behind it: the kernels' names.
#include "ops/cuda/launchers.h"
#include "ops/cuda/open.h"
#include "ops/devices.h"
#include "support/devices.h"

namespace falconer::test {
namespace {

const TestDevice* opened(const emulated::EmulatedShape& shape, std::unique_ptr<Device>& device,
                         TestDevice& made) {
  if (device == nullptr) device = emulated::open_emulated(shape);
  made = {device.get(), &emulated::kernels()};
  return &made;
}

}  // namespace

const TestDevice* emulated_device() {
  static std::unique_ptr<Device> device;
  static TestDevice made;
  return opened({}, device, made);
}

const TestDevice* small_emulated_device() {
  static std::unique_ptr<Device> device;
  static TestDevice made;
  return opened({.processors = 64, .shared_bytes = 96 << 10, .library = false}, device, made);
}

const TestDevice* cuda_device() {
#ifdef FALCONER_CUDA
  static const OpenedDevice opened =
      cuda::device_count() > 0 ? open_device("cuda") : OpenedDevice();
  static const TestDevice made{opened.device.get(), opened.kernels};
  return opened.device != nullptr ? &made : nullptr;
#else
  return nullptr;
#endif
}

bool built_with_cuda() {
#ifdef FALCONER_CUDA
  return true;
#else
  return false;
#endif
}

bool has_device(const std::string& name) {
  if (name == "emulated")
    add_device_kind({"emulated", [](int) {
                       return OpenedDevice{emulated::open_emulated(), &emulated::kernels()};
                     }});
  if (name == "hasty")
    add_device_kind({"hasty", [](int) {
                       return OpenedDevice{emulated::open_emulated({.hasty_queue = true}),
                                           &emulated::kernels()};
                     }});
  return name != "cuda" || cuda_device() != nullptr;
}

}  // namespace falconer::test
