#include "cli/rank_flags.h"

#include "base/error.h"
#include "base/number.h"

namespace falconer::cli {
namespace {

constexpr WholeRange kRanks{.least = 1, .most = kMostRanks};
constexpr RealRange kTimeout{.least = 1, .most = 1e6};

}  // namespace

void add_rank_flags(Command& command, RankFlags& flags) {
  command.group("Ranks");
  command.add(
      "--ranks", &flags.ranks,
      "processes of this machine that work together, started by mpirun (default: 1, or those "
      "that mpirun or srun started)",
      {.expected = expectation(kRanks)});
  command.add("--rank-timeout", &flags.timeout,
              "seconds to wait for a rank of which nothing comes, before the job is ended",
              {.shows_default = true, .expected = expectation(kTimeout)});
}

void check_rank_flags(const RankFlags& flags, const StartedRank& started) {
  if (flags.ranks && !kRanks.holds(*flags.ranks))
    fail_usage("--ranks is {}; expected {}", *flags.ranks, expectation(kRanks));
  if (!kTimeout.holds(flags.timeout))
    fail_usage("--rank-timeout is {}; expected {}", flags.timeout, expectation(kTimeout));
  if (flags.ranks && !started.alone() && started.size != 0 && started.size != *flags.ranks)
    fail_usage("--ranks is {}, and this job has {} ranks already: leave the flag out", *flags.ranks,
               started.size);
  if (flags.ranks.value_or(1) > 1 && started.alone() && started.by_mpirun)
    fail_usage(
        "--ranks is {0}, and this process was started by mpirun, which starts no other within "
        "itself: leave mpirun out, or start them all by mpirun -n {0}, without the flag",
        *flags.ranks);
}

}  // namespace falconer::cli
