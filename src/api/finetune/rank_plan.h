// What each of several ranks would hold and send, planned by one process.
#pragma once

#include <string>

#include "data/batches.h"
#include "falconer/finetune.h"
#include "method/session.h"
#include "ranks/traffic.h"

namespace falconer {

/// Error (usage): values that cannot be.
void check_planned_ranks(const PlannedRanks& asked);

/// The first rank of as many, on a machine of its own.
Division planned_division(const PlannedRanks& asked, const std::string& shard);

struct RankPlan {
  PlannedRanks asked;
  std::string shard;
  MemoryPlan memory;
  size_t program = 0;                     // besides, rows and messages included
  int64_t available = 0;                  // what the rank may have
  Traffic sent;                           // in a step
  int64_t micro_batches = 0, tokens = 0;  // of a step, that the rank computes

  size_t tables() const;
  size_t together() const;
  bool fits() const { return static_cast<int64_t>(together()) <= available; }
  /// Of a step: what sending takes, and computing; 0: not known.
  double sending_seconds() const;
  double computing_seconds() const;
};

/// Memory alone. The session was planned for planned_division().
RankPlan plan_memory_of_rank(const Session& session, const PlannedRanks& asked);
/// What is sent in a step, found by going through two of them without computing; `steps` is of as many ranks.
void plan_traffic_of_rank(RankPlan& plan, Session& session, const StepPlan& steps);

/// For people; `heading` says of what.
std::string rank_memory_text(const RankPlan& plan, const Session& session,
                             const std::string& heading);
std::string rank_traffic_text(const RankPlan& plan);
/// One JSON object.
std::string rank_plan_json(const RankPlan& plan);

}  // namespace falconer
