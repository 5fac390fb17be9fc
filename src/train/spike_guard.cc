#include "train/spike_guard.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"

namespace falconer {
namespace {

constexpr size_t kFewest = 8;
constexpr double kLossFactor = 2, kNormFactor = 10;
constexpr double kLossThatMatters = 0.05;  // nats

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void push(std::vector<double>& values, double value) {
  values.push_back(value);
  if (values.size() > SpikeGuard::kWindow) values.erase(values.begin());
}

}  // namespace

OnSpike parse_on_spike(const std::string& name) {
  if (name == "off") return OnSpike::kOff;
  if (name == "warn") return OnSpike::kWarn;
  if (name == "skip") return OnSpike::kSkip;
  fail_choice("--on-spike", name, {"warn", "skip", "off"});
}

std::optional<std::string> SpikeGuard::judge(double loss, double norm) const {
  if (recent_.losses.size() < kFewest || loss < kLossThatMatters) return {};
  const double usual_loss = median(recent_.losses), usual_norm = median(recent_.norms);
  if (loss > kLossFactor * std::max(usual_loss, kLossThatMatters))
    return fmt::format("its loss is {:.3g}, and that of the steps before {:.3g}", loss, usual_loss);
  if (norm > kNormFactor * usual_norm)
    return fmt::format("its gradient norm is {:.3g}, and that of the steps before {:.3g}", norm,
                       usual_norm);
  return {};
}

void SpikeGuard::add(double loss, double norm) {
  push(recent_.losses, loss);
  push(recent_.norms, norm);
}

}  // namespace falconer
