#include "base/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>
#include <thread>

namespace falconer {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

int affinity_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) return CPU_COUNT(&mask);
  // More cores than the mask has bits.
  return static_cast<int>(std::thread::hardware_concurrency());
}

/// Cores' worth of time that one cgroup's folder grants. Version 2: "max 100000" or "150000 100000".
double quota_of(const std::filesystem::path& folder, bool second) {
  double quota = 0, period = 0;
  if (second) {
    std::ifstream limit(folder / "cpu.max");
    limit >> quota >> period;
  } else {
    std::ifstream(folder / "cpu.cfs_quota_us") >> quota;  // -1: no limit
    std::ifstream(folder / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : kUnlimited;
}

/// The least that a cgroup or one above it grants. In a container the path may be the host's, and the
/// container's own folder is then the top.
double quota_up_from(const std::filesystem::path& top, std::filesystem::path group, bool second) {
  double least = quota_of(top, second);
  for (group = group.relative_path(); !group.empty(); group = group.parent_path())
    least = std::min(least, quota_of(top / group, second));
  return least;
}

bool has_cpu(std::string_view controllers) {
  return ("," + std::string(controllers) + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

// Lines of /proc/self/cgroup: "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1.
int usable_cores(const std::filesystem::path& root) {
  double least = affinity_cores();
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::filesystem::path mounts = root / "sys/fs/cgroup", group = line.substr(second + 1);
    if (controllers.empty())
      least = std::min(least, quota_up_from(mounts, group, true));
    else if (has_cpu(controllers))
      for (const std::string& name : {controllers, std::string("cpu")})
        least = std::min(least, quota_up_from(mounts / name, group, false));
  }
  return std::max(1, static_cast<int>(std::ceil(least)));
}

int chosen_thread_count() {
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  const long count = wanted == nullptr ? 0 : std::strtol(wanted, nullptr, 10);
  return count > 0 && count <= std::numeric_limits<int>::max() ? static_cast<int>(count) : 0;
}

int default_thread_count() {
  const int chosen = chosen_thread_count();
  return chosen > 0 ? chosen : usable_cores();
}

}  // namespace falconer
