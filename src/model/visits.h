// A layer's weights arrive before their use and leave after it, wherever they come from: pages of a mapped file
// (weight_pages.h), or pieces of all the ranks of a job (divided_weights.h).
#pragma once

#include <cstdint>

#include "ops/run.h"

namespace falconer {

/// Where a pass is: at a layer, by its number, or at a table outside of the layers.
inline constexpr int64_t kAtEmbedding = -1, kAtHead = -2, kNowhere = -3;

enum class VisitFor {
  kForward,   // values are read
  kBackward,  // values are read and gradients added
  kGradients  // gradients are added
};

class WeightVisits {
 public:
  virtual ~WeightVisits() = default;
  /// Values and gradients of what lies `at` are there until leave(); `next` will be arrived at after it.
  virtual void arrive(Run& run, int64_t at, int64_t next, VisitFor use) = 0;
  virtual void leave(Run& run, int64_t at, VisitFor use) = 0;
};

/// While it lives the weights are there. With run.visits null they always are.
class Visit {
 public:
  Visit(Run& run, int64_t at, int64_t next, VisitFor use) : run_(run), at_(at), use_(use) {
    if (run.visits != nullptr) run.visits->arrive(run, at, next, use);
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() noexcept(false) {
    if (run_.visits != nullptr) run_.visits->leave(run_, at_, use_);
  }

 private:
  Run& run_;
  int64_t at_;
  VisitFor use_;
};

}  // namespace falconer
