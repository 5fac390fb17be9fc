// What the environment says of this process: that a launcher started it as one of several, or that it is alone.
#pragma once

#include <functional>
#include <string>

namespace falconer {

/// What a launcher said before anybody was asked.
struct JobPlace {
  std::string launcher;  // "mpirun"; empty: alone
  int rank = 0;
  int size = 1;  // 0: the launcher does not say it
  bool alone() const { return size == 1; }
};

using Environment = std::function<const char*(const char*)>;
/// Null where a variable is not set.
const char* process_environment(const char* name);

/// By the variables of Open MPI, of PMI (MPICH, Intel MPI, Slurm) and of PMIx. Error (usage): something started
/// several processes that have no MPI to talk over: torchrun, srun without it.
JobPlace job_place(const Environment& environment = process_environment);

}  // namespace falconer
