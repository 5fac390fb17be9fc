#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "ranks/nccl/nccl_api.h"

namespace falconer {
namespace {

constexpr const char* kNcclLibrary = "libnccl.so.2";
constexpr int kOldestNccl = 21700;

std::atomic<const NcclApi*> nccl_stand_in = nullptr;

[[noreturn]] void fail_to_load_nccl(const std::string& name, const std::string& why) {
  fail(
      "{}: cannot be loaded ({}); several ranks on GPUs talk over NVIDIA's NCCL: install it "
      "(apt-get install libnccl2 from NVIDIA's packages, or pip install nvidia-nccl-cu13), name "
      "the "
      "library in FALCONER_NCCL_LIBRARY, or use --device cpu",
      name, why);
}

void* load_nccl_library() {
  const char* const named = std::getenv("FALCONER_NCCL_LIBRARY");
  const bool is_named = named != nullptr && *named != '\0';
  std::string why;
  for (const std::string& path :
       is_named ? std::vector<std::string>{named}
                : std::vector<std::string>{kNcclLibrary,
                                           std::string("/usr/local/cuda/lib64/") + kNcclLibrary}) {
    if (void* const loaded = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return loaded;
    if (why.empty()) why = ::dlerror();
  }
  fail_to_load_nccl(is_named ? named : kNcclLibrary, why);
}

NcclApi load_nccl() {
  void* const library = load_nccl_library();
  const auto take = [&](auto& function, const char* name) {
    void* const found = ::dlsym(library, name);
    if (found == nullptr) fail_to_load_nccl(kNcclLibrary, std::string("it has no ") + name);
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  NcclApi api;
  take(api.version, "ncclGetVersion");
  int version = 0;
  if (api.version(&version) != kNcclSuccess || version < kOldestNccl)
    fail(
        "NCCL {} is too old: several ranks on GPUs want {} or later; update it, or use --device "
        "cpu",
        nccl_version_text(version), nccl_version_text(kOldestNccl));
  take(api.unique_id, "ncclGetUniqueId");
  take(api.init, "ncclCommInitRankConfig");
  take(api.finalize, "ncclCommFinalize");
  take(api.destroy, "ncclCommDestroy");
  take(api.abort, "ncclCommAbort");
  take(api.async_error, "ncclCommGetAsyncError");
  take(api.group_start, "ncclGroupStart");
  take(api.group_end, "ncclGroupEnd");
  take(api.send, "ncclSend");
  take(api.receive, "ncclRecv");
  take(api.error_text, "ncclGetErrorString");
  take(api.last_error, "ncclGetLastError");
  return api;
}

}  // namespace

const NcclApi& nccl() {
  if (const NcclApi* const other = nccl_stand_in) return *other;
  static const NcclApi loaded = load_nccl();
  return loaded;
}

// Before 2.9 they were counted in another way, which is older than anything here.
std::string nccl_version_text(int version) {
  if (version < 10000)
    return fmt::format("{}.{}.{}", version / 1000, version / 100 % 10, version % 100);
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

void stand_in_for_nccl(const NcclApi* api) { nccl_stand_in = api; }

}  // namespace falconer
