// --ranks: the same command line on several processes of this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "falconer/ranks.h"

namespace falconer::cli {

struct RankFlags {
  std::optional<int64_t> ranks;
  double timeout = 600;
};

/// For commands that several ranks can work on together. Belongs on the command line alone: how many ranks there
/// are is no setting of a run.
void add_rank_flags(Command& command, RankFlags& flags);

/// Error (usage): of the flags' values; in a job of another number of ranks than --ranks says, be it one.
void check_rank_flags(const RankFlags& flags, const StartedRank& started);

/// Starts `words` (the program's path first) on so many ranks by mpirun, and waits. The first SIGINT, SIGTERM or
/// SIGHUP lets them save and end, the next one ends them; those that are ignored stay so. Returns what this process
/// should end with. `next_step` follows what is said of a rank that a signal has ended. Errors: no mpirun;
/// OutputError, of what the ranks print.
int launch_ranks(int ranks, const std::vector<std::string>& words, const std::string& next_step);

}  // namespace falconer::cli
