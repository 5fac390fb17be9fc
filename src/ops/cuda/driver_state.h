// Why no device can be opened, and what to do about it. No header of CUDA's: tested without it.
#pragma once

#include <string>

namespace falconer::cuda {

/// What the runtime says. Versions as CUDA writes them: 13000 is 13.0; driver 0: there is none.
struct DriverState {
  int driver = 0, runtime = 0;
  bool too_old = false;  // the runtime refuses the driver
  int devices = 0;
  std::string other;  // any other failure, in CUDA's words
};

/// Empty where there are devices.
inline std::string why_no_device(const DriverState& s) {
  const auto version = [](int v) {
    return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10);
  };
  if (s.driver == 0)
    return "no NVIDIA driver is installed; install one, on a machine with a GPU, or use "
           "--device cpu";
  if (s.too_old || s.driver / 1000 < s.runtime / 1000)
    return "the NVIDIA driver is too old: it knows CUDA " + version(s.driver) +
           ", and this program was built with " + version(s.runtime) +
           "; update the driver, build with an older CUDA, or use --device cpu";
  if (!s.other.empty()) return s.other + "; look at what nvidia-smi says, or use --device cpu";
  if (s.devices == 0)
    return "no GPU was found; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu";
  return {};
}

}  // namespace falconer::cuda
