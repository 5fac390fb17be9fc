// Which rows each optimizer step sees, as a pure function of the settings and the step's number:
// resume needs no state.
#pragma once

#include <cstdint>
#include <vector>

#include "data/row_store.h"

namespace falconer {

struct StepPlanOptions {
  int64_t batch_size = 128;
  int64_t micro_batch_size = 4;
  int64_t micro_batch_tokens = 0;  // above 0: rows of a step in order, as many as have together no
                                   // more tokens, one at least; micro_batch_size does not count
  int64_t max_steps = 0;           // 0: as many as `epochs` make
  int64_t epochs = 1;
  bool shuffle = true;
  uint64_t seed = 1;
  int ranks = 1;  // that compute a step together
};

/// Rows that one rank computes at one time, and what of the step comes before them.
struct MicroBatch {
  std::vector<int64_t> rows;
  int64_t first_token = 0, first_target = 0;
  int64_t tokens = 0, targets = 0;
};

/// Steps of a run: random numbers are named by 32 bits of a step's number.
inline constexpr int64_t kMostSteps = 0xFFFFFFFF;

class StepPlan {
 public:
  /// What `rows` views must outlive the plan. Error (usage): sizes that are not positive, no rows, more
  /// steps than kMostSteps.
  StepPlan(RowView rows, StepPlanOptions options);

  int64_t total_steps() const { return total_steps_; }
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// Rows of step 1 .. total_steps(), cut into micro-batches. The last batch of an epoch may be
  /// smaller; no row is dropped, and epochs follow each other. How a step is cut changes neither its
  /// rows nor their order, so that it changes memory and speed and not what is learned.
  std::vector<std::vector<int64_t>> step(int64_t number) const;
  /// The same rows in the same order, for each micro-batch what every rank has of it: about as many tokens, since
  /// all wait for the one that has most. None is larger than a micro-batch of one rank may be; there may be none
  /// for some. `step(number)` where there is one rank.
  std::vector<std::vector<MicroBatch>> shares(int64_t number) const;

  /// The largest micro-batch of the whole run, for the memory plan. Of a run with too many rows to go
  /// through, what none is larger than: that of the longest rows together.
  struct Largest {
    int64_t tokens = 0, targets = 0;
    int64_t sequences = 1;  // none has more
  };
  Largest largest_micro_batch() const;

 private:
  const std::vector<int64_t>& order_of(int64_t epoch) const;
  Largest longest_rows() const;
  int64_t end_of_micro_batch(const std::vector<int64_t>& order, int64_t begin, int64_t end) const;
  std::vector<int64_t> rows_of(int64_t number) const;
  std::vector<std::vector<int64_t>> dealt(const std::vector<int64_t>& rows) const;
  std::vector<std::vector<int64_t>> cut(const std::vector<int64_t>& rows, int64_t tokens) const;

  RowView rows_;
  StepPlanOptions options_;
  int64_t steps_per_epoch_ = 0, total_steps_ = 0;
  mutable int64_t cached_epoch_ = -1;
  mutable std::vector<int64_t> cached_order_;
};

/// A permutation of 0 .. n-1 that depends on (seed, epoch) alone.
std::vector<int64_t> shuffled_order(int64_t n, uint64_t seed, int64_t epoch);

}  // namespace falconer
