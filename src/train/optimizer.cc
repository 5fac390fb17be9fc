#include "train/optimizer.h"

#include "base/nearest.h"
#include "ops/moment_code.h"
#include "ops/optimizer.h"

namespace falconer {

OptimizerKind parse_optimizer(const std::string& name) {
  if (name == "adamw") return OptimizerKind::kAdamW;
  if (name == "adamw-8bit") return OptimizerKind::kAdamW8bit;
  if (name == "sgd") return OptimizerKind::kSgd;
  fail_choice("--optimizer", name, {"adamw", "adamw-8bit", "sgd"});
}

void Optimizer::step(Run& run, int64_t step, double lr, double gradient_scale) const {
  // Pieces begin at blocks of moments, and a block of random numbers rounds eight weights.
  static_assert(kPieceBlock % kMomentBlock == 0 && kPieceBlock % 8 == 0);
  for (size_t i = 0; i < state_.size(); ++i) {
    const Learner& learner = learners_.all()[i];
    const std::vector<View>& state = state_[i];
    const RandomStream rounding = RandomStream(run.seed, RandomPurpose::kRound, run.step,
                                               static_cast<uint32_t>(learner.number))
                                      .from_block(static_cast<uint64_t>(learner.first / 8));
    if (options_.kind == OptimizerKind::kSgd) {
      sgd(run, {.w = learner.value,
                .g = learner.grad,
                .rounding = rounding,
                .lr = lr,
                .weight_decay = options_.weight_decay,
                .grad_scale = gradient_scale});
      continue;
    }
    adamw(run, {.w = learner.value,
                .g = learner.grad,
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
