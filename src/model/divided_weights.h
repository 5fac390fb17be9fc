// Matrices that the ranks of a job have divided, put together band by band while they are computed with.
#pragma once

#include <array>
#include <map>
#include <tuple>

#include "model/visits.h"
#include "ranks/tensor_ranks.h"
#include "ranks/traffic.h"

namespace falconer {

/// While a band is computed with, the values of the next one are gathered, and the gradients of the one before go to
/// their homes, summed over the ranks in their order. There are two places for values and two for gradients, each
/// as large as the largest band.
class DividedVisits : public WeightVisits {
 public:
  /// `ranks`: of memory as `fixed` is of; null where a run is planned alone, whose dry passes then count what they
  /// would send. Places are made in `fixed`. Everything outlives this.
  DividedVisits(const Weights& weights, TensorRanks* ranks, Arena& fixed);

  /// Whether anything comes and goes at all.
  static bool needed(const Weights& weights);

  void arrive(Run& run, int64_t at, int64_t next) override;
  void leave(Run& run, int64_t at) override;
  BandViews arrive(Run& run, const Param& param, const Band& band, VisitFor use) override;
  void leave(Run& run, const Param& param, const Band& band, VisitFor use) override;
  /// Values were changed: what was gathered is forgotten.
  void values_changed();
  /// All gradients that were sent are home.
  void wait();

  /// What this rank has sent.
  const Traffic& sent() const { return sent_; }
  /// Bytes of the places for values, and for gradients.
  size_t value_bytes() const { return values_[0].memory.bytes() + values_[1].memory.bytes(); }
  size_t gradient_bytes() const {
    return gradients_[0].memory.bytes() + gradients_[1].memory.bytes();
  }

 private:
  /// A band, and where in a pass it is wanted: what comes next depends on that.
  struct Wanted {
    const Param* param = nullptr;
    Band band;
    int64_t at = kNowhere;
    VisitFor use = VisitFor::kForward;

    bool operator<(const Wanted& other) const { return key() < other.key(); }
    bool same_values(const Wanted& other) const {
      return param == other.param && band.row == other.band.row;
    }
    std::tuple<const Param*, int64_t, int64_t, VisitFor> key() const {
      return {param, band.row, at, use};
    }
  };
  /// Memory for one band at a time.
  struct Place {
    View memory;  // bytes
    Wanted holds;
    TensorRanks::Ticket ticket = 0;
  };
  /// Of a run, not of its plan: only memory is looked for.
  bool measures(const Run& run) const { return run.dry && ranks_ != nullptr; }
  Place& gathered(Run& run, const Wanted& wanted);
  Wanted after(const Wanted& wanted);

  TensorRanks* ranks_;
  std::array<Place, 2> values_, gradients_;
  size_t used_ = 0;  // of values_: computed with now, or last
  size_t gradient_turn_ = 0;
  int64_t at_ = kNowhere;
  /// What came after what, the last time: every rank goes the same way through a pass.
  std::map<Wanted, Wanted> order_;
  Wanted last_;
  Traffic sent_;
};

}  // namespace falconer
