// The cores of a machine divided among its ranks.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace falconer {

/// "0-3,8": numbers of CPUs in ascending order.
std::string cpu_list_text(std::span<const int> cpus);

/// Rank `local` of `ranks` gets a share of `cpus`, in their order: neighbours together, and no CPU two ranks', but
/// where there are more ranks than CPUs: then one each, some the same.
std::vector<int> share_of_cpus(std::span<const int> cpus, int local, int ranks);

/// The CPUs that this process may use, in the order of sockets and cores. Open MPI binds each rank to one core unless
/// it is told otherwise: then those that its launcher may use itself. Cores that were chosen, as by
/// `--map-by slot:PE=4`, by `--bind-to core` or by Slurm, stay.
std::vector<int> cpus_for_ranks();

/// What the user said of threads, by --threads: joining a job leaves their number as it is then. So does
/// OMP_NUM_THREADS.
void keep_thread_count(bool keep);

/// Gives this process, with all its threads, its share of `cpus`, which `ranks` processes have together, and sets
/// thread_count() to so many, unless the number was chosen. A container's share of processor time is divided
/// likewise. Returns the CPUs.
std::vector<int> take_share_of_cpus(std::span<const int> cpus, int local, int ranks);

}  // namespace falconer
