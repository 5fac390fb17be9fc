#include "train/optimizer.h"

#include <cmath>

#include "base/nearest.h"
#include "ops/optimizer.h"
#include "ops/residual.h"

namespace falconer {

OptimizerKind parse_optimizer(const std::string& name) {
  if (name == "adamw") return OptimizerKind::kAdamW;
  if (name == "adamw-8bit") return OptimizerKind::kAdamW8bit;
  if (name == "sgd") return OptimizerKind::kSgd;
  fail_choice("--optimizer", name, {"adamw", "adamw-8bit", "sgd"});
}

void Optimizer::zero_gradients(Run& run) const {
  for (const Param* param : params_) set_zero(run, param->grad);
}

double Optimizer::gradient_norm(Run& run) const {
  double sum = 0;
  for (const Param* param : params_) sum += sum_of_squares(run, param->grad);
  return std::sqrt(sum);
}

void Optimizer::step(Run& run, int64_t step, double lr, double gradient_scale) const {
  for (size_t i = 0; i < params_.size(); ++i) {
    const Param& param = *params_[i];
    const std::vector<View>& state = state_[i];
    const RandomStream rounding(run.seed, RandomPurpose::kRound, run.step,
                                static_cast<uint32_t>(i));
    if (options_.kind == OptimizerKind::kSgd) {
      sgd(run, {.w = param.value,
                .g = param.grad,
                .rounding = rounding,
                .lr = lr,
                .weight_decay = options_.weight_decay,
                .grad_scale = gradient_scale});
      continue;
    }
    adamw(run, {.w = param.value,
                .g = param.grad,
                .m = state[0],
                .v = state[1],
                .m_scale = state.size() > 2 ? state[2] : View(),
                .v_scale = state.size() > 2 ? state[3] : View(),
                .rounding = rounding,
                .lr = lr,
                .beta1 = options_.beta1,
                .beta2 = options_.beta2,
                .eps = options_.eps,
                .weight_decay = options_.weight_decay,
                .grad_scale = gradient_scale,
                .step = step});
  }
}

}  // namespace falconer
