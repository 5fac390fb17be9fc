#include "generate/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

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

int32_t sample(std::span<const float> logits, const SamplingOptions& options, uint32_t stream,
               uint64_t index) {
  const int32_t first = most_likely(logits);
  if (options.temperature <= 0 || options.top_p <= 0 || options.top_k == 1) return first;
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto before = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  if (options.top_k > 0 && options.top_k < static_cast<int64_t>(order.size())) {
    std::nth_element(order.begin(), order.begin() + options.top_k, order.end(), before);
    order.resize(static_cast<size_t>(options.top_k));
  }
  std::sort(order.begin(), order.end(), before);
  std::vector<double> weights;
  double total = 0;
  for (int32_t id : order) {
    weights.push_back(
        std::exp((static_cast<double>(logits[id]) - logits[first]) / options.temperature));
    total += weights.back();
  }
  size_t kept = weights.size();
  if (options.top_p < 1) {
    double share = 0;
    for (kept = 0; kept < weights.size() && share < options.top_p * total; ++kept)
      share += weights[kept];
    total = share;
  }
  const RandomStream numbers(options.seed, RandomPurpose::kSample, stream);
  const double high = numbers.word(2 * index), low = numbers.word(2 * index + 1);
  double left = (high + low * 0x1p-32) * 0x1p-32 * total;
  for (size_t i = 0; i < kept; ++i) {
    left -= weights[i];
    if (left < 0) return order[i];
  }
  return order[kept - 1];
}

}  // namespace falconer
