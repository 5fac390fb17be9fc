// The job that this process is a rank of, joined once.
#pragma once

#include "ranks/job_place.h"
#include "ranks/ranks.h"

namespace falconer {

/// The ranks of this process's job, which the first call joins; null where it is alone, and then no MPI library is
/// looked for. All ranks call it. Joining divides each machine's cores among its ranks (rank_cores.h), and rank 0
/// logs what each has. Errors: of job_place(); no libfalconer_mpi.so, or none that this MPI can be joined by.
Ranks* job_ranks();

/// The ranks of a job that was joined; null where none was, and nothing is joined.
Ranks* joined_ranks();

/// How long the ranks wait for one of which nothing comes; 600 s. Before the job is joined.
void set_rank_timeout(double seconds);
double rank_timeout();

/// At the end, on all ranks: nobody leaves before all have come. Nothing where no job was joined. What is done
/// with the ranks afterwards is an error of the program.
void leave_job();

/// Takes the others down: this rank's error was said. Returns where no job was joined.
void abort_job(int code);

}  // namespace falconer
