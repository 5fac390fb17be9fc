#include "ranks/rank_cores.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <tuple>

#include "base/cores.h"
#include "base/error.h"
#include "base/number.h"
#include "base/threads.h"
#include "ranks/job_place.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

constexpr int kMostCpus = 8192;
struct FreeMask {
  void operator()(cpu_set_t* mask) const { CPU_FREE(mask); }
};
using Mask = std::unique_ptr<cpu_set_t, FreeMask>;

std::vector<int> cpus_of(pid_t process) {
  const Mask mask(CPU_ALLOC(kMostCpus));
  const size_t size = CPU_ALLOC_SIZE(kMostCpus);
  CPU_ZERO_S(size, mask.get());
  std::vector<int> cpus;
  if (::sched_getaffinity(process, size, mask.get()) != 0) return cpus;
  for (int cpu = 0; cpu < kMostCpus; ++cpu)
    if (CPU_ISSET_S(static_cast<size_t>(cpu), size, mask.get())) cpus.push_back(cpu);
  return cpus;
}

// All threads of this process, those of MPI's too.
void bind_to(std::span<const int> cpus) {
  const Mask mask(CPU_ALLOC(kMostCpus));
  const size_t size = CPU_ALLOC_SIZE(kMostCpus);
  CPU_ZERO_S(size, mask.get());
  for (const int cpu : cpus) CPU_SET_S(static_cast<size_t>(cpu), size, mask.get());
  std::error_code error;
  for (const auto& task : fs::directory_iterator("/proc/self/task", error))
    ::sched_setaffinity(std::atoi(task.path().filename().c_str()), size, mask.get());
}

int topology_number(int cpu, const char* name) {
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/" + name);
  int number = cpu;
  return file >> number ? number : cpu;
}

// Threads of one core next to each other, cores of one socket too: a share is then whole cores.
void sort_by_core(std::vector<int>& cpus) {
  std::vector<std::tuple<int, int, int>> places;
  for (const int cpu : cpus)
    places.emplace_back(topology_number(cpu, "physical_package_id"),
                        topology_number(cpu, "core_id"), cpu);
  std::sort(places.begin(), places.end());
  for (size_t i = 0; i < cpus.size(); ++i) cpus[i] = std::get<2>(places[i]);
}

struct Process {
  std::string name;
  pid_t parent = 0;
};
std::optional<Process> process_of(pid_t id) {
  std::ifstream status("/proc/" + std::to_string(id) + "/status");
  Process process;
  for (std::string key; status >> key;) {
    if (key == "Name:") status >> process.name;
    if (key == "PPid:" && status >> process.parent) return process;
    status.ignore(4096, '\n');
  }
  return {};
}

// What started this process, itself or by way of a shell. 0: nothing that binds ranks by itself.
pid_t open_mpi_launcher() {
  pid_t id = ::getppid();
  for (int up = 0; up < 8 && id > 1; ++up) {
    const std::optional<Process> process = process_of(id);
    if (!process) return 0;
    for (const char* name : {"mpirun", "orterun", "mpiexec", "orted", "prterun", "prted"})
      if (process->name == name) return id;
    id = process->parent;
  }
  return 0;
}

// Open MPI hands on what it was told: "core", "slot:PE=2". Where ranks go is no binding.
bool asked_for_binding() {
  const char* binding = process_environment("OMPI_MCA_hwloc_base_binding_policy");
  const char* mapping = process_environment("OMPI_MCA_rmaps_base_mapping_policy");
  return binding != nullptr ||
         (mapping != nullptr && std::string_view(mapping).find("PE=") != std::string_view::npos);
}

bool keeps_threads = false;

}  // namespace

std::string cpu_list_text(std::span<const int> cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t end = i;
    while (end + 1 < cpus.size() && cpus[end + 1] == cpus[end] + 1) ++end;
    text += (i == 0 ? "" : ",") + std::to_string(cpus[i]);
    if (end > i) text += "-" + std::to_string(cpus[end]);
    i = end + 1;
  }
  return text;
}

std::vector<int> share_of_cpus(std::span<const int> cpus, int local, int ranks) {
  const size_t n = cpus.size(), r = static_cast<size_t>(ranks), at = static_cast<size_t>(local);
  if (n < r) return {cpus[at % n]};
  return {cpus.begin() + static_cast<ptrdiff_t>(n * at / r),
          cpus.begin() + static_cast<ptrdiff_t>(n * (at + 1) / r)};
}

void keep_thread_count(bool keep) { keeps_threads = keep; }

std::vector<int> cpus_for_ranks() {
  std::vector<int> cpus = cpus_of(0);
  const pid_t launcher = cpus.size() == 1 && !asked_for_binding() ? open_mpi_launcher() : 0;
  if (launcher != 0)
    if (std::vector<int> all = cpus_of(launcher); !all.empty()) cpus = std::move(all);
  sort_by_core(cpus);
  return cpus;
}

std::vector<int> take_share_of_cpus(std::span<const int> cpus, int local, int ranks) {
  if (cpus.empty()) return {};
  bind_to(cpus);
  const int granted = usable_cores();
  std::vector<int> share = share_of_cpus(cpus, local, ranks);
  // More threads than that were asked for, or than there are cores: nobody is held to one.
  const int threads =
      std::max(1, std::min(static_cast<int>(share.size()),
                           granted * (local + 1) / ranks - granted * local / ranks));
  const bool chosen = keeps_threads || chosen_thread_count() > 0;
  if (!chosen) set_thread_count(threads);
  const bool crowded =
      static_cast<int>(cpus.size()) < ranks || thread_count() > static_cast<int>(share.size());
  if (crowded)
    share.assign(cpus.begin(), cpus.end());
  else
    bind_to(share);
  std::sort(share.begin(), share.end());
  return share;
}

}  // namespace falconer
