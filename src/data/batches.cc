#include "data/batches.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace falconer {

std::vector<int64_t> shuffled_order(int64_t n, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const RandomStream numbers(seed, RandomPurpose::kShuffle, static_cast<uint32_t>(epoch));
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[i],
              order[numbers.below(static_cast<uint64_t>(i), static_cast<uint64_t>(i) + 1)]);
  return order;
}

StepPlan::StepPlan(RowView rows, StepPlanOptions options) : rows_(rows), options_(options) {
  const int64_t n = rows.size();
  FALCONER_CHECK(n > 0);
  if (options.batch_size < 1)
    fail_usage("--batch-size is {}, expected 1 or more", options.batch_size);
  if (options.micro_batch_size < 1)
    fail_usage("--micro-batch-size is {}, expected 1 or more", options.micro_batch_size);
  if (options.micro_batch_tokens < 0)
    fail_usage("--micro-batch-tokens is {}, expected 1 or more, or 0 for none",
               options.micro_batch_tokens);
  if (options.max_steps < 0) fail_usage("--max-steps is {}, expected 1 or more", options.max_steps);
  if (options.max_steps == 0 && options.epochs < 1)
    fail_usage("--epochs is {}, expected 1 or more", options.epochs);
  steps_per_epoch_ = (n + options.batch_size - 1) / options.batch_size;
  total_steps_ = options.max_steps > 0 ? options.max_steps : options.epochs * steps_per_epoch_;
}

const std::vector<int64_t>& StepPlan::order_of(int64_t epoch) const {
  if (cached_epoch_ == epoch) return cached_order_;
  const int64_t n = rows_.size();
  if (options_.shuffle) {
    cached_order_ = shuffled_order(n, options_.seed, epoch);
  } else {
    cached_order_.resize(static_cast<size_t>(n));
    std::iota(cached_order_.begin(), cached_order_.end(), 0);
  }
  cached_epoch_ = epoch;
  return cached_order_;
}

int64_t StepPlan::end_of_micro_batch(const std::vector<int64_t>& order, int64_t begin,
                                     int64_t end) const {
  if (options_.micro_batch_tokens == 0) return std::min(begin + options_.micro_batch_size, end);
  int64_t tokens = 0, i = begin;
  for (; i < end; ++i) {
    tokens += rows_.length(order[i]);
    if (i > begin && tokens > options_.micro_batch_tokens) break;
  }
  return i;
}

std::vector<std::vector<int64_t>> StepPlan::step(int64_t number) const {
  FALCONER_CHECK(number >= 1 && number <= total_steps_);
  const int64_t epoch = (number - 1) / steps_per_epoch_;
  const int64_t within = (number - 1) % steps_per_epoch_;
  const std::vector<int64_t>& order = order_of(epoch);
  const int64_t begin = within * options_.batch_size;
  const int64_t end = std::min(begin + options_.batch_size, rows_.size());
  std::vector<std::vector<int64_t>> micro_batches;
  for (int64_t i = begin; i < end;) {
    const int64_t next = end_of_micro_batch(order, i, end);
    micro_batches.emplace_back(order.begin() + i, order.begin() + next);
    i = next;
  }
  return micro_batches;
}

StepPlan::Largest StepPlan::largest_micro_batch() const {
  Largest largest;
  for (int64_t s = 1; s <= total_steps_; ++s)
    for (const auto& micro : step(s)) {
      Largest one;
      for (int64_t row : micro) {
        one.tokens += rows_.length(row);
        one.targets += rows_.targets(row);
      }
      largest.tokens = std::max(largest.tokens, one.tokens);
      largest.targets = std::max(largest.targets, one.targets);
    }
  return largest;
}

}  // namespace falconer
