#include "ops/devices.h"

#include <charconv>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "ops/device_names.h"
#ifdef FALCONER_CUDA
#include "ops/cuda/open.h"
#endif

namespace falconer {
namespace {

OpenedDevice open_cpu() { return {.device = nullptr, .kernels = &cpu_kernels()}; }

#ifdef FALCONER_CUDA
OpenedDevice open_cuda_device(int index) {
  OpenedDevice opened{.device = cuda::open_cuda(index), .kernels = &cuda::cuda_kernels()};
  log_info("device: {}", opened.device->name());
  return opened;
}

OpenedDevice open_auto() {
  std::string why;
  if (cuda::device_count(&why) > 0) return open_cuda_device(0);
  log_info("device: cpu, because {}", spelled(why));
  return open_cpu();
}
#else
OpenedDevice open_cuda_device(int) {
  fail(
      "--device cuda: this program was built without CUDA; `make cuda`, where nvcc is, builds "
      "build-cuda/falconer, which has it; or use --device cpu");
}
OpenedDevice open_auto() { return open_cpu(); }
#endif

std::vector<DeviceKind>& kinds() {
  static std::vector<DeviceKind> all = {{"cuda", open_cuda_device}};
  return all;
}

struct Named {
  const DeviceKind* kind = nullptr;  // null: cpu or auto
  int index = 0;
};

Named parse(const std::string& name) {
  if (name == "cpu" || name == "auto") return {};
  const size_t colon = std::min(name.find(':'), name.size());
  const std::string number = name.substr(std::min(colon + 1, name.size()));
  Named named;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), named.index);
  const bool whole = error == std::errc() && end == number.data() + number.size();
  if (colon == name.size() || (whole && named.index >= 0))
    for (const DeviceKind& kind : kinds())
      if (name.compare(0, colon, kind.name) == 0) {
        named.kind = &kind;
        return named;
      }
  fail_choice("--device", name, {"cpu", "cuda", "auto"}, {"cuda:N"});
}

}  // namespace

std::vector<std::string> device_names() {
#ifdef FALCONER_CUDA
  return {"cpu", "cuda"};
#else
  return {"cpu"};
#endif
}

int cuda_device_count(std::string& why) {
#ifdef FALCONER_CUDA
  return cuda::device_count(&why);
#else
  why = "this program was built without CUDA";
  return 0;
#endif
}

std::string device_asked_for(const std::string& name) {
  if (!name.empty()) return name;
  const char* set = std::getenv("FALCONER_DEVICE");
  return set != nullptr && *set != '\0' ? set : "cpu";
}

void check_device_name(const std::string& name) {
  const Named named = parse(device_asked_for(name));
  std::string why;
  if (named.kind != nullptr && named.kind->name == "cuda" && cuda_device_count(why) <= named.index)
    named.kind->open(named.index);  // which says why it cannot
}

OpenedDevice open_device(const std::string& name) {
  const std::string wanted = device_asked_for(name);
  const Named named = parse(wanted);
  if (named.kind != nullptr) return named.kind->open(named.index);
  return wanted == "auto" ? open_auto() : open_cpu();
}

void add_device_kind(const DeviceKind& kind) {
  for (DeviceKind& known : kinds())
    if (known.name == kind.name) {
      known = kind;
      return;
    }
  kinds().push_back(kind);
}

}  // namespace falconer
