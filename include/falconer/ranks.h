// This process as one of several, its job's ranks, that mpirun or srun started to train one model.
#pragma once

#include <cstdint>

namespace falconer {

/// Of one job.
inline constexpr int64_t kMostRanks = 4096;

struct StartedRank {
  int rank = 0;
  int size = 1;            // 0: more than can be known before the job is joined
  bool by_mpirun = false;  // which may start one alone
  bool alone() const { return size == 1; }
  bool first() const { return rank == 0; }
};
/// What the launcher says; nobody is asked, and no MPI library loaded.
StartedRank started_rank();

/// Joins the job, over libfalconer_mpi.so; nothing where the process is alone. Work on ranks does it by itself. All
/// ranks call it; it divides each machine's cores among its ranks, unless their number was chosen (set_threads(),
/// OMP_NUM_THREADS, the launcher's own binding). `timeout`: seconds that ranks wait for one of which nothing comes.
/// Error: no library, or no MPI, that joins it; processes that were started without any.
StartedRank join_job(double timeout = 600);
/// At the end, on all ranks: nobody leaves before all have come.
void leave_job();
/// The same where it is not sure that all come to it, as after a signal. False: some are at something else, and
/// this process is still in the job.
bool end_job_together();
/// Takes the other ranks down: this one's error was said. Returns only where no job was joined.
void abort_job(int code);

}  // namespace falconer
