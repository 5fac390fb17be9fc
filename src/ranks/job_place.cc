#include "ranks/job_place.h"

#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/number.h"

namespace falconer {
namespace {

struct Launcher {
  const char* name;
  const char* rank;
  const char* size;
};
// The first whose variables are there. mpirun inside of an allocation comes before what the allocation sets.
constexpr Launcher kLaunchers[] = {
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"mpirun", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},
    {"mpirun", "PMI_RANK", "PMI_SIZE"},
    {"srun", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"},
    {"mpirun", "PMIX_RANK", ""},
};

std::optional<int> whole(const Environment& environment, const char* name) {
  const char* text = *name == '\0' ? nullptr : environment(name);
  const auto value = text == nullptr ? std::nullopt : whole_of_text(text);
  if (!value || !WholeRange{.least = 0, .most = 1'000'000}.holds(*value)) return {};
  return static_cast<int>(*value);
}

}  // namespace

const char* process_environment(const char* name) { return std::getenv(name); }

// SLURM_PROCID and SLURM_NTASKS are in a batch script as well, where a program is alone; SLURM_STEP_NUM_TASKS is
// in what srun starts alone.
JobPlace job_place(const Environment& environment) {
  for (const Launcher& launcher : kLaunchers) {
    const auto rank = whole(environment, launcher.rank), size = whole(environment, launcher.size);
    const bool says_no_size = *launcher.size == '\0';
    if (!rank || (!size && !says_no_size)) continue;
    return {.launcher = launcher.name, .rank = *rank, .size = size.value_or(0)};
  }
  if (const int tasks = whole(environment, "SLURM_STEP_NUM_TASKS").value_or(1); tasks > 1)
    fail_usage(
        "srun started {} tasks without MPI, and each would train by itself; start them with srun "
        "--mpi=pmix or --mpi=pmi2, whichever `srun --mpi=list` names and your MPI was built for, "
        "or "
        "with mpirun",
        tasks);
  const int world = whole(environment, "WORLD_SIZE").value_or(1);
  if (world > 1 && whole(environment, "RANK") && whole(environment, "LOCAL_RANK"))
    fail_usage(
        "torchrun started {0} processes (WORLD_SIZE), and Falconer's ranks talk over MPI; start "
        "them "
        "with mpirun -n {0} falconer ..., or on this machine alone with falconer ... --ranks {0}",
        world);
  return {};
}

}  // namespace falconer
