// What learns, as the rank that updates it sees it.
#pragma once

#include <vector>

#include "model/params.h"
#include "ranks/ranks.h"
#include "ranks/traffic.h"

namespace falconer {

/// What this process updates of a tensor that learns: all of it, or its piece of a band.
struct Learner {
  Param* param = nullptr;
  size_t number = 0;  // of the tensor, in the method's order
  View value, grad;   // of the same shape, once Learners::finish_gradients() is done
  int64_t first = 0;  // element of the tensor that they begin at
};

/// Everything that learns, in the method's order. One process alone has whole tensors and nothing to send.
class Learners {
 public:
  Learners() = default;
  /// Tensors of the method's own, and vectors, are divided too, but for their values and gradients, which every
  /// rank has as a whole. `ranks`, and `tensors` for what lies where `fixed` does: null where memory is planned alone.
  Learners(const std::vector<Param*>& params, const Division& division, Ranks* ranks,
           TensorRanks* tensors, Arena& fixed);

  const std::vector<Learner>& all() const { return all_; }

  /// Before the first backward of a step.
  void zero_gradients(Run& run) const;
  /// After its last: what was not sent layer by layer is summed over the ranks.
  void finish_gradients(Run& run) const;
  /// The norm over all gradients together, the same on every rank.
  double gradient_norm(Run& run) const;
  /// After the optimizer's step: who holds whole values gets what others updated.
  void share_values() const;
  /// What this rank sends in finish_gradients() and share_values(), of one step.
  Traffic sent_in_step() const;

 private:
  std::vector<Param*> params_;
  std::vector<Learner> all_;
  Ranks* ranks_ = nullptr;
  TensorRanks* tensors_ = nullptr;
};

}  // namespace falconer
