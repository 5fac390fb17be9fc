// Devices that tests run on: one that is emulated, and a real one where there is one.
#pragma once

#include <memory>
#include <string>

#include "ops/kernels.h"
#include "tensor/device.h"

namespace falconer::test {

struct TestDevice {
  Device* device;
  const Kernels* kernels;
};

/// Opened at the first call, and kept.
const TestDevice* emulated_device();
/// With little shared memory, many processors and no library of products: the other ways through the
/// launchers.
const TestDevice* small_emulated_device();
/// Null where this build or this machine has none.
const TestDevice* cuda_device();

bool built_with_cuda();

/// Names for --device in tests: "emulated", and "hasty" (EmulatedShape::hasty_queue), are made known to the program,
/// and "cuda" is skipped where there is none.
bool has_device(const std::string& name);

}  // namespace falconer::test
