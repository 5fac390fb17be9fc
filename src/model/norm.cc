#include "model/norm.h"

#include "ops/norm.h"

namespace falconer {

ModuleShape Norm::declared(const ModelConfig& config, const ModuleId& id) {
  return {.id = id, .kind = ModuleKind::kNorm, .out = config.width, .bias = true};
}

View Norm::forward(Run& run, const View& x, bool want_dy, bool keep_output, NormKept& kept) const {
  kept.x = x;
  kept.stats = run.store(want_dy).push(x.rows, 2, Dtype::kF32);
  const View n = run.push(keep_output, x.rows, x.cols);
  norm_forward(run, {.x = x,
                     .w = params_->w->value,
                     .b = params_->b->value,
                     .y = n,
                     .stats = kept.stats,
                     .eps = eps_});
  return n;
}

void Norm::backward(Run& run, const View& dy, const View& dx_add, const NormKept& kept) const {
  norm_backward(run, {.x = kept.x,
                      .w = params_->w->value,
                      .stats = kept.stats,
                      .dy = dy,
                      .dx_add = dx_add,
                      .dw = params_->w->grad,
                      .db = params_->b->grad});
}

}  // namespace falconer
