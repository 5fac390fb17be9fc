#include "data/batches.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace falconer {
namespace {

// Rows that are gone through for the largest micro-batch: a fraction of a second.
constexpr int64_t kRowsLookedAt = int64_t{1} << 22;

// The sum of the `count` largest values.
int64_t sum_of_largest(std::vector<int64_t> values, int64_t count) {
  if (count < std::ssize(values))
    std::nth_element(values.begin(), values.begin() + count, values.end(), std::greater<>());
  return std::accumulate(values.begin(), values.begin() + std::min(count, std::ssize(values)),
                         int64_t{0});
}

}  // namespace

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
  steps_per_epoch_ = (n - 1) / options.batch_size + 1;
  if (options.max_steps > kMostSteps)
    fail_usage("--max-steps is {}, expected at most {}", options.max_steps, kMostSteps);
  if (options.max_steps == 0 && options.epochs > kMostSteps / steps_per_epoch_)
    fail_usage(
        "--epochs is {}, which makes more than {} steps of {} rows; expected {} or fewer, or a "
        "number of --max-steps",
        options.epochs, kMostSteps, n, kMostSteps / steps_per_epoch_);
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
  if (options_.micro_batch_tokens == 0)
    return begin + std::min(options_.micro_batch_size, end - begin);
  int64_t tokens = 0, i = begin;
  for (; i < end; ++i) {
    tokens += rows_.length(order[i]);
    if (i > begin && tokens > options_.micro_batch_tokens) break;
  }
  return i;
}

std::vector<int64_t> StepPlan::rows_of(int64_t number) const {
  FALCONER_CHECK(number >= 1 && number <= total_steps_);
  const int64_t epoch = (number - 1) / steps_per_epoch_;
  const int64_t within = (number - 1) % steps_per_epoch_;
  const std::vector<int64_t>& order = order_of(epoch);
  const int64_t begin = within * options_.batch_size;
  const int64_t end = begin + std::min(options_.batch_size, rows_.size() - begin);
  return {order.begin() + begin, order.begin() + end};
}

std::vector<std::vector<int64_t>> StepPlan::step(int64_t number) const {
  const std::vector<int64_t> rows = rows_of(number);
  std::vector<std::vector<int64_t>> micro_batches;
  for (int64_t i = 0; i < std::ssize(rows);) {
    const int64_t next = end_of_micro_batch(rows, i, std::ssize(rows));
    micro_batches.emplace_back(rows.begin() + i, rows.begin() + next);
    i = next;
  }
  return micro_batches;
}

// Parts of consecutive rows with at most so many tokens (one row at least), no more rows than a micro-batch has.
std::vector<std::vector<int64_t>> StepPlan::cut(const std::vector<int64_t>& rows,
                                                int64_t tokens) const {
  const bool by_rows = options_.micro_batch_tokens == 0;
  std::vector<std::vector<int64_t>> parts;
  int64_t had = 0;
  for (const int64_t row : rows) {
    const int64_t length = rows_.length(row);
    if (parts.empty() || had + length > tokens ||
        (by_rows && std::ssize(parts.back()) == options_.micro_batch_size)) {
      parts.emplace_back();
      had = 0;
    }
    parts.back().push_back(row);
    had += length;
  }
  return parts;
}

// As few micro-batches as the limits allow, and of these cuts the one whose largest part is smallest, found by
// halving: more tokens in a part never make more parts.
std::vector<std::vector<int64_t>> StepPlan::dealt(const std::vector<int64_t>& rows) const {
  int64_t all = 0, longest = 0;
  for (const int64_t row : rows) {
    all += rows_.length(row);
    longest = std::max(longest, rows_.length(row));
  }
  const int64_t most = options_.micro_batch_tokens == 0
                           ? all
                           : std::max(longest, std::min(options_.micro_batch_tokens, all));
  const int64_t ranks = options_.ranks;
  const int64_t rounds = (std::ssize(cut(rows, most)) + ranks - 1) / ranks;
  int64_t low = longest, high = most;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (std::ssize(cut(rows, middle)) <= rounds * ranks)
      high = middle;
    else
      low = middle + 1;
  }
  auto parts = cut(rows, high);
  parts.resize(static_cast<size_t>(rounds * ranks));
  return parts;
}

std::vector<std::vector<MicroBatch>> StepPlan::shares(int64_t number) const {
  const auto parts = options_.ranks == 1 ? step(number) : dealt(rows_of(number));
  std::vector<std::vector<MicroBatch>> rounds;
  int64_t tokens = 0, targets = 0;
  for (const auto& part : parts) {
    if (rounds.empty() || std::ssize(rounds.back()) == options_.ranks) rounds.emplace_back();
    MicroBatch micro{.rows = part, .first_token = tokens, .first_target = targets};
    for (const int64_t row : part) {
      micro.tokens += rows_.length(row);
      micro.targets += rows_.targets(row);
    }
    tokens += micro.tokens;
    targets += micro.targets;
    rounds.back().push_back(std::move(micro));
  }
  return rounds;
}

// No micro-batch of any order has more than the longest rows together.
StepPlan::Largest StepPlan::longest_rows() const {
  std::vector<int64_t> lengths, targets;
  for (int64_t i = 0; i < rows_.size(); ++i) {
    lengths.push_back(rows_.length(i));
    targets.push_back(rows_.targets(i));
  }
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  if (options_.micro_batch_tokens == 0) {
    const int64_t rows = std::min(options_.micro_batch_size, options_.batch_size);
    return {.tokens = sum_of_largest(std::move(lengths), rows),
            .targets = sum_of_largest(std::move(targets), rows),
            .sequences = rows};
  }
  const int64_t all = sum_of_largest(std::move(lengths), options_.batch_size);
  const int64_t tokens = std::max(longest, std::min(options_.micro_batch_tokens, all));
  return {.tokens = tokens,
          .targets = std::min(tokens, sum_of_largest(std::move(targets), options_.batch_size)),
          .sequences = options_.batch_size};
}

StepPlan::Largest StepPlan::largest_micro_batch() const {
  const Largest most = longest_rows();
  const int64_t steps = options_.shuffle ? total_steps_ : std::min(total_steps_, steps_per_epoch_);
  Largest largest{.sequences = most.sequences};
  int64_t looked_at = 0;
  for (int64_t s = 1; s <= steps; ++s) {
    if (largest.tokens == most.tokens && largest.targets == most.targets) break;
    if (looked_at > kRowsLookedAt) return most;
    for (const auto& round : shares(s))
      for (const MicroBatch& micro : round) {
        looked_at += std::ssize(micro.rows);
        largest.tokens = std::max(largest.tokens, micro.tokens);
        largest.targets = std::max(largest.targets, micro.targets);
      }
  }
  return largest;
}

}  // namespace falconer
