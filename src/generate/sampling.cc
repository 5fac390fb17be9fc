#include "generate/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/random.h"

namespace falconer {

int32_t most_likely(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i]))
      fail(
          "the model gave a logit that is not a number for token {}; its weights may be damaged, "
          "or bf16 overflowed: try --precision f32",
          i);
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int32_t>(best);
}

bool SamplingOptions::changes_logits() const {
  return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0 ||
         no_repeat_ngram_size > 0 || !logit_bias.empty();
}

namespace {

constexpr float kLeast = std::numeric_limits<float>::lowest();

void add_to(float& logit, double value) {
  logit = static_cast<float>(std::clamp(static_cast<double>(logit) + value,
                                        static_cast<double>(kLeast), -static_cast<double>(kLeast)));
}

/// Bans what would end an n-gram that `ids` has already.
void ban_repeated(std::span<float> logits, const std::vector<int32_t>& ids, size_t n) {
  if (ids.size() < n) return;
  const auto last = ids.end() - static_cast<ptrdiff_t>(n - 1);
  for (auto at = ids.begin(); at + static_cast<ptrdiff_t>(n) <= ids.end(); ++at)
    if (std::equal(last, ids.end(), at))
      logits[static_cast<size_t>(at[static_cast<ptrdiff_t>(n) - 1])] = kLeast;
}

/// The first of them whose shares come to `share` of `total`.
size_t first_with_share(const std::vector<Candidate>& sorted, double share, double total) {
  double sum = 0;
  size_t kept = 0;
  for (; kept < sorted.size() && sum < share * total; ++kept) sum += sorted[kept].weight;
  return std::max<size_t>(1, kept);
}

double sum_of(const std::vector<Candidate>& all) {
  double total = 0;
  for (const Candidate& one : all) total += one.weight;
  return total;
}

void keep_typical(std::vector<Candidate>& all, double share) {
  const double total = sum_of(all);
  double entropy = 0;
  for (const Candidate& one : all)
    if (one.weight > 0) entropy -= one.weight / total * std::log(one.weight / total);
  const auto distance = [&](const Candidate& one) {
    return std::abs(-std::log(one.weight / total) - entropy);
  };
  std::vector<Candidate> typical = all;
  std::stable_sort(typical.begin(), typical.end(), [&](const Candidate& a, const Candidate& b) {
    return distance(a) < distance(b);
  });
  const size_t kept = first_with_share(typical, share, total);
  const double limit = distance(typical[kept - 1]);  // equals stay with it
  std::erase_if(all, [&](const Candidate& one) { return distance(one) > limit; });
}

/// The token ids, most likely first, of which top_k are left.
std::vector<int32_t> sorted_ids(std::span<const float> logits, int64_t top_k) {
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto before = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  if (top_k > 0 && top_k < static_cast<int64_t>(order.size())) {
    std::nth_element(order.begin(), order.begin() + top_k, order.end(), before);
    order.resize(static_cast<size_t>(top_k));
  }
  std::sort(order.begin(), order.end(), before);
  return order;
}

}  // namespace

void change_logits(std::span<float> logits, const TokenHistory& history, const SamplingOptions& o) {
  for (const auto& [id, bias] : o.logit_bias)
    if (id >= 0 && static_cast<size_t>(id) < logits.size())
      add_to(logits[static_cast<size_t>(id)], bias);
  std::vector<int32_t> ids(history.prompt.begin(), history.prompt.end());
  ids.insert(ids.end(), history.answer.begin(), history.answer.end());
  if (o.repetition_penalty != 1)
    for (const int32_t id : std::set<int32_t>(ids.begin(), ids.end())) {
      float& logit = logits[static_cast<size_t>(id)];
      const double penalty = logit < 0 ? o.repetition_penalty : 1 / o.repetition_penalty;
      add_to(logit, logit * penalty - logit);
    }
  if (o.presence_penalty != 0 || o.frequency_penalty != 0) {
    std::map<int32_t, int64_t> counts;
    for (const int32_t id : history.answer) ++counts[id];
    for (const auto& [id, count] : counts)
      add_to(logits[static_cast<size_t>(id)],
             -o.presence_penalty - o.frequency_penalty * static_cast<double>(count));
  }
  if (o.no_repeat_ngram_size > 0)
    ban_repeated(logits, ids, static_cast<size_t>(o.no_repeat_ngram_size));
}

std::vector<Candidate> candidates(std::span<const float> logits, const SamplingOptions& options) {
  const std::vector<int32_t> order = sorted_ids(logits, options.top_k);
  std::vector<Candidate> all;
  all.reserve(order.size());
  const double first = logits[static_cast<size_t>(order.front())];
  for (const int32_t id : order)
    all.push_back({id, std::exp((static_cast<double>(logits[static_cast<size_t>(id)]) - first) /
                                options.temperature)});
  if (options.top_p < 1) all.resize(first_with_share(all, options.top_p, sum_of(all)));
  if (options.min_p > 0) {
    const double least = options.min_p * all.front().weight;
    std::erase_if(all, [least](const Candidate& one) { return one.weight < least; });
  }
  if (options.typical_p < 1) keep_typical(all, options.typical_p);
  return all;
}

namespace {

/// Candidates of the whole vocabulary without sorting it: they are put into buckets by their logits, of which only those
/// are sorted in which something ends.
class Buckets {
 public:
  Buckets(std::span<const float> logits, float first, double temperature)
      : logits_(logits), first_(first), factor_(1 / temperature), sums_(kBuckets) {
    for (const float logit : logits) {
      const double weight = weight_of(logit);
      sums_[bucket_of(logit)] += weight;
      total_ += weight;
    }
  }
  double total() const { return total_; }
  double sum_from(double least) const {
    double sum = 0;
    for (const float logit : logits_)
      if (const double weight = weight_of(logit); weight >= least) sum += weight;
    return sum;
  }
  /// The first of them, most likely first, with which their sum is above `sum`, or is `sum` where `reached` is enough;
  /// and that sum.
  struct Found {
    int32_t id;
    double sum;
  };
  Found find(double sum, bool reached) const {
    double before = 0;
    size_t last = 0;
    for (size_t b = 0; b < kBuckets; ++b) {
      if (sums_[b] == 0) continue;
      last = b;
      const double with = before + sums_[b];
      if (with > sum || (reached && with == sum)) {
        double at = before;
        for (const int32_t id : sorted(b)) {
          at += weight_of(logits_[static_cast<size_t>(id)]);
          if (at > sum || (reached && at >= sum)) return {id, at};
        }
      }
      before = with;
    }
    return {sorted(last).back(), total_};
  }

 private:
  static constexpr size_t kBuckets = 4096;
  static constexpr double kLeastExponent =
      64;  // e^-64 of the most likely one's weight: all that is less likely

  double weight_of(float logit) const {
    return std::exp((static_cast<double>(logit) - first_) * factor_);
  }
  size_t bucket_of(float logit) const {
    const double below =
        (first_ - static_cast<double>(logit)) * factor_ * (kBuckets / kLeastExponent);
    return static_cast<size_t>(std::min<double>(below, kBuckets - 1));
  }
  std::vector<int32_t> sorted(size_t bucket) const {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < logits_.size(); ++i)
      if (bucket_of(logits_[i]) == bucket) ids.push_back(static_cast<int32_t>(i));
    std::stable_sort(ids.begin(), ids.end(), [this](int32_t a, int32_t b) {
      return logits_[static_cast<size_t>(a)] > logits_[static_cast<size_t>(b)];
    });
    return ids;
  }

  std::span<const float> logits_;
  double first_, factor_, total_ = 0;
  std::vector<double> sums_;
};

/// Of the whole vocabulary, `share` being from 0 to 1.
int32_t draw_from_all(std::span<const float> logits, float first, const SamplingOptions& options,
                      double share) {
  const Buckets all(logits, first, options.temperature);
  double total = all.total();
  if (options.top_p < 1) total = all.find(options.top_p * total, true).sum;
  if (options.min_p > 0) total = std::min(total, all.sum_from(options.min_p));
  return all.find(share * total, false).id;
}

}  // namespace

int32_t sample(std::span<const float> logits, const SamplingOptions& options, uint32_t stream,
               uint64_t index) {
  const int32_t first = most_likely(logits);
  if (options.temperature <= 0 || options.top_p <= 0 || options.top_k == 1) return first;
  const RandomStream numbers(options.seed, RandomPurpose::kSample, stream);
  const double high = numbers.word(2 * index), low = numbers.word(2 * index + 1);
  const double share = (high + low * 0x1p-32) * 0x1p-32;
  const bool all = options.top_k <= 0 || options.top_k >= std::ssize(logits);
  if (all && options.typical_p >= 1)
    return draw_from_all(logits, logits[static_cast<size_t>(first)], options, share);
  const std::vector<Candidate> left = candidates(logits, options);
  double rest = share * sum_of(left);
  for (const Candidate& one : left) {
    rest -= one.weight;
    if (rest < 0) return one.id;
  }
  return left.back().id;
}

}  // namespace falconer
