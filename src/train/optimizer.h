// The optimizer over all trainable tensors of a method.
#pragma once

#include <string>
#include <vector>

#include "method/learners.h"
#include "method/session.h"

namespace falconer {

enum class OptimizerKind { kAdamW, kAdamW8bit, kSgd };

/// "adamw", "adamw-8bit", "sgd". Error (usage): anything else.
OptimizerKind parse_optimizer(const std::string& name);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double lr = 3e-4, weight_decay = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

/// AdamW's two moments, none for SGD.
constexpr OptimizerMemory optimizer_memory(OptimizerKind kind) {
  return {.moments = kind == OptimizerKind::kSgd ? 0 : 2,
          .coded = kind == OptimizerKind::kAdamW8bit};
}

class Optimizer {
 public:
  /// `state`: that of a session for optimizer_memory(options.kind).
  Optimizer(OptimizerOptions options, const Learners& learners,
            const std::vector<std::vector<View>>& state)
      : options_(options), learners_(learners), state_(state) {}

  /// Step number `step` (from 1) with this step's learning rate; gradients are multiplied by
  /// `gradient_scale`. Weights in bf16 are rounded with numbers of run.seed and run.step.
  void step(Run& run, int64_t step, double lr, double gradient_scale) const;

 private:
  OptimizerOptions options_;
  const Learners& learners_;
  const std::vector<std::vector<View>>& state_;
};

}  // namespace falconer
