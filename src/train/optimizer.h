// The optimizer over all trainable tensors of a method.
#pragma once

#include <string>
#include <vector>

#include "method/method.h"

namespace falconer {

enum class OptimizerKind { kAdamW, kSgd };

/// "adamw", "sgd". Error (usage): anything else.
OptimizerKind parse_optimizer(const std::string& name);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double lr = 3e-4, weight_decay = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

/// f32 copies per tensor: AdamW's two moments, none for SGD.
constexpr int optimizer_slots(OptimizerKind kind) { return kind == OptimizerKind::kAdamW ? 2 : 0; }

class Optimizer {
 public:
  /// `state`: optimizer_slots views for each parameter.
  Optimizer(OptimizerOptions options, const std::vector<Param*>& params,
            const std::vector<std::vector<View>>& state)
      : options_(options), params_(params), state_(state) {}

  void zero_gradients(Run& run) const;
  /// The norm over all gradients together.
  double gradient_norm(Run& run) const;
  /// Step number `step` (from 1) with this step's learning rate; gradients are multiplied by
  /// `gradient_scale`.
  void step(Run& run, int64_t step, double lr, double gradient_scale) const;

 private:
  OptimizerOptions options_;
  const std::vector<Param*>& params_;
  const std::vector<std::vector<View>>& state_;
};

}  // namespace falconer
