// Devices by name: the host's CPU, and what was built in beside it.
#pragma once

#include <memory>
#include <string>

#include "ops/kernels.h"
#include "tensor/device.h"

namespace falconer {

/// Where a model lives and who computes.
struct OpenedDevice {
  std::unique_ptr<Device> device;  // null: the host's memory
  const Kernels* kernels = nullptr;
};

/// "cpu", "cuda", "cuda:N", or "auto": the first CUDA device, where there is one; "" is what the
/// environment's FALCONER_DEVICE says, else the CPU. Errors: another name (usage), a device that is
/// not there or that this program was built without.
OpenedDevice open_device(const std::string& name);
/// What "" stands for; another name as it is.
std::string device_asked_for(const std::string& name);
/// Error where open_device() would not understand the name (usage), or has no such CUDA device.
void check_device_name(const std::string& name);

/// CUDA devices that can be opened; where there is none, `why` says so.
int cuda_device_count(std::string& why);

/// A kind of device beside the CPU; `open` is given the number behind the colon, else 0. Tests add
/// one that is emulated.
struct DeviceKind {
  std::string name;
  OpenedDevice (*open)(int index);
};
void add_device_kind(const DeviceKind& kind);

}  // namespace falconer
