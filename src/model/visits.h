// Weights arrive before their use and leave after it, wherever they come from: pages of a mapped file
// (weight_pages.h), or pieces of all the ranks of a job (divided_weights.h).
#pragma once

#include "model/params.h"

namespace falconer {

/// Where a pass is: at a layer, by its number, or at a table outside of the layers.
inline constexpr int64_t kAtEmbedding = -1, kAtHead = -2, kNowhere = -3;

enum class VisitFor {
  kForward,   // values are read
  kBackward,  // values are read and gradients added
  kGradients  // gradients are added
};

/// Rows of a matrix while they are computed with; `grad`: none where it does not learn, or in a forward.
struct BandViews {
  View value, grad;
};

class WeightVisits {
 public:
  virtual ~WeightVisits() = default;
  /// A pass is at a layer, or at a table, and goes to `next` from there.
  virtual void arrive(Run& run, int64_t at, int64_t next) = 0;
  virtual void leave(Run& run, int64_t at) = 0;
  /// A band of a matrix is computed with, until it is left.
  virtual BandViews arrive(Run& run, const Param& param, const Band& band, VisitFor use) = 0;
  virtual void leave(Run& run, const Param& param, const Band& band, VisitFor use) = 0;
};

/// While it lives a pass is at a layer. With run.visits null all weights always are there.
class Visit {
 public:
  Visit(Run& run, int64_t at, int64_t next) : run_(run), at_(at) {
    if (run.visits != nullptr) run.visits->arrive(run, at, next);
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() noexcept(false) {
    if (run_.visits != nullptr) run_.visits->leave(run_, at_);
  }

 private:
  Run& run_;
  int64_t at_;
};

/// The same for a band of a matrix.
class BandVisit {
 public:
  BandVisit(Run& run, const Param& param, const Band& band, VisitFor use)
      : run_(run), param_(param), band_(band), use_(use) {
    if (run.visits != nullptr)
      views_ = run.visits->arrive(run, param, band, use);
    else
      views_ = of_whole(param, band);
  }
  BandVisit(const BandVisit&) = delete;
  BandVisit& operator=(const BandVisit&) = delete;
  ~BandVisit() noexcept(false) {
    if (run_.visits != nullptr) run_.visits->leave(run_, param_, band_, use_);
  }

  const View& value() const { return views_.value; }
  const View& grad() const { return views_.grad; }

  static BandViews of_whole(const Param& param, const Band& band) {
    return {param.value.row_range(band.row, band.rows), param.grad.row_range(band.row, band.rows)};
  }

 private:
  Run& run_;
  const Param& param_;
  const Band& band_;
  VisitFor use_;
  BandViews views_;
};

/// Calls `compute(band, value, gradient)` for all of a matrix, band by band; it is one band where one process
/// trains alone.
template <class Compute>
void for_bands_of(Run& run, const Param& param, VisitFor use, const Compute& compute) {
  if (!param.division.many()) return compute(Band{0, param.rows()}, param.value, param.grad);
  for (const Band& band : param.bands()) {
    const BandVisit visit(run, param, band, use);
    compute(band, visit.value(), visit.grad());
  }
}

}  // namespace falconer
