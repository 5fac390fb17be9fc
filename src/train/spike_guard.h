// Steps whose loss or gradient is far above that of the steps before: bad rows, or too high a
// learning rate. One of them can undo what hundreds of steps learned.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace falconer {

enum class OnSpike { kOff, kWarn, kSkip };
/// "off", "warn", "skip". Error (usage): anything else.
OnSpike parse_on_spike(const std::string& name);

class SpikeGuard {
 public:
  static constexpr size_t kWindow = 32;  // steps that are remembered

  /// The last steps' numbers, oldest first; part of a checkpoint, so that a resumed run judges as one
  /// that was not interrupted.
  struct Recent {
    std::vector<double> losses, norms;
  };
  /// What is unusual: a loss above twice, or a gradient norm above ten times, the median of the last
  /// 32 steps. Nothing where there are fewer than 8, or where the loss is below 0.05 nats; a median loss
  /// below that counts as 0.05. Tiny losses jump without meaning, and their gradients with them.
  std::optional<std::string> judge(double loss, double norm) const;
  void add(double loss, double norm);

  const Recent& recent() const { return recent_; }
  void restore(Recent recent) { recent_ = std::move(recent); }

 private:
  Recent recent_;
};

}  // namespace falconer
