// Weights that lie in mapped files, as pages that are read ahead and forgotten: with --low-memory
// little more than one layer of a model is resident, at the price of reading it again.
#pragma once

#include "model/params.h"
#include "model/visits.h"

namespace falconer {

/// The next layer is read while one computes, and that one is forgotten behind. What is not mapped stays.
class PageVisits : public WeightVisits {
 public:
  explicit PageVisits(const Weights& weights) : weights_(weights) {}
  void arrive(Run& run, int64_t at, int64_t next) override;
  void leave(Run& run, int64_t at) override;
  BandViews arrive(Run& run, const Param& param, const Band& band, VisitFor use) override;
  void leave(Run&, const Param&, const Band&, VisitFor) override {}

 private:
  const Weights& weights_;
};

void forget(const Param& param);
/// The most bytes that are mapped at one time where each is forgotten after its use.
size_t largest_resident(const Weights& weights);

}  // namespace falconer
