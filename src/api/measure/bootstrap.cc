#include "api/measure/bootstrap.h"

#include <algorithm>
#include <random>
#include <vector>

namespace falconer {

Estimate bootstrap(std::span<const double> values, uint64_t seed) {
  constexpr size_t kResamples = 1000;
  if (values.empty()) return {};
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  std::mt19937_64 random(seed);
  std::vector<double> means;
  for (size_t k = 0; k < kResamples; ++k) {
    double drawn = 0;
    for (size_t i = 0; i < values.size(); ++i) drawn += values[random() % values.size()];
    means.push_back(drawn / n);
  }
  std::sort(means.begin(), means.end());
  return {.mean = sum / n,
          .low = means[kResamples * 25 / 1000],
          .high = means[kResamples - 1 - kResamples * 25 / 1000]};
}

}  // namespace falconer
