// What the rest of the program sees of CUDA. No header of CUDA's, so that any compiler reads it.
#pragma once

#include <memory>
#include <string>

#include "ops/kernels.h"
#include "tensor/device.h"

namespace falconer::cuda {

/// Devices that can be opened; 0 without a driver, and `why` says so.
int device_count(std::string* why = nullptr);
/// Error: no driver, no such device, one that is too old.
std::unique_ptr<Device> open_cuda(int index);
/// The table for it.
const Kernels& cuda_kernels();

}  // namespace falconer::cuda
