#include "model/site.h"

#include "ops/linear.h"
#include "ops/residual.h"

namespace falconer {

bool LinearSite::trainable() const {
  return tensors_.w->trainable() || (tensors_.b != nullptr && tensors_.b->trainable()) ||
         (hook_ != nullptr && hook_->trainable());
}

bool LinearSite::needs_x() const {
  return tensors_.w->trainable() || (hook_ != nullptr && hook_->needs_x());
}

void LinearSite::forward(Run& run, const View& x, const View& y, HookKept& kept) const {
  if (needs_x()) kept.x = x;
  if (!y && hook_ == nullptr) return;
  const ArenaScope scope(*run.scratch);
  const View out = y ? y : run.scratch->push(x.rows, this->out(), x.dtype);
  const View bias = tensors_.b != nullptr ? tensors_.b->value : View{};
  linear_forward(run, {.x = x, .w = tensors_.w->value, .b = bias, .y = out});
  if (hook_ != nullptr) hook_->forward(run, x, out, kept);
}

void LinearSite::backward(Run& run, HookKept& kept, const View& dy, const View& dx,
                          bool add_dx) const {
  const ArenaScope scope(*run.scratch);
  View d = dy;
  if (hook_ != nullptr) {
    if (hook_->edits_dy()) {
      d = run.scratch->push(dy.rows, dy.cols, dy.dtype);
      copy(run, dy, d);
    }
    hook_->backward_out(run, d, kept);
  }
  const View db = tensors_.b != nullptr ? tensors_.b->grad : View{};
  linear_backward(run, {.x = kept.x,
                        .w = tensors_.w->value,
                        .dy = d,
                        .dx = dx,
                        .dw = tensors_.w->grad,
                        .db = db,
                        .add_dx = add_dx});
  if (hook_ != nullptr && dx) hook_->backward_in(run, dx, kept);
}

}  // namespace falconer
