// Matrices that the ranks of a job have divided, put together while their layer computes.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "model/params.h"
#include "model/visits.h"
#include "ranks/ranks.h"

namespace falconer {

/// While a layer computes, the next one's values are gathered and the gradients of the one before go to their
/// homes: each rank's own_grad, summed over the ranks in their order. There are two places for values and two for
/// gradients, each as large as the largest layer, or table outside of the layers, needs.
class DividedVisits : public WeightVisits {
 public:
  /// `ranks`: null where memory is planned alone. Places are made in `fixed`. Everything outlives this.
  DividedVisits(const Weights& weights, Ranks* ranks, Arena& fixed);

  /// Whether a layer's weights come and go at all.
  static bool needed(const Weights& weights);

  void arrive(Run& run, int64_t at, int64_t next, VisitFor use) override;
  void leave(Run& run, int64_t at, VisitFor use) override;
  /// Values were changed: what was gathered is forgotten.
  void values_changed();
  /// All gradients that were sent are home.
  void wait();

 private:
  struct Group {
    std::vector<Param*> values, gradients;  // that come and go
  };
  /// Memory for one group at a time.
  struct Place {
    View memory;  // bytes
    int64_t holds = kNowhere;
    Ranks::Ticket ticket = 0;
  };
  void add(const Weights& weights, int64_t at, Param& param);
  int64_t named(int64_t at) const { return tied_ && at == kAtHead ? kAtEmbedding : at; }
  Place& gathered(Run& run, int64_t at);
  void show_values(const Place& place, const Group& group, bool shown) const;

  Ranks* ranks_;
  bool tied_;
  std::map<int64_t, Group> groups_;
  std::array<Place, 2> values_, gradients_;
  size_t value_turn_ = 0, gradient_turn_ = 0;
  int64_t now_ = kNowhere;  // values of which are in use
};

}  // namespace falconer
