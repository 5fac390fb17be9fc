#include "model/site.h"

#include "model/visits.h"
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

void LinearSite::forward(Run& run, const View& x, const View& y, HookKept& kept,
                         float factor) const {
  FALCONER_CHECK(factor == 1 || is_product_alone());
  if (needs_x()) kept.x = x;
  if (!y && hook_ == nullptr) return;
  const ArenaScope scope(*run.scratch);
  const View out = y ? y : run.scratch->push(x.rows, this->out(), x.dtype);
  const View bias = tensors_.b != nullptr ? tensors_.b->value : View{};
  const Param& weight = *tensors_.w;
  for_bands_of(run, weight, VisitFor::kForward, [&](const Band& band, const View& w, const View&) {
    linear_forward(run, {.x = x,
                         .w = w,
                         .b = bias.col_range(band.row, band.rows),
                         .y = out.col_range(band.row, band.rows),
                         .scale = factor,
                         .lanes = w.data == weight.packed ? weight.lanes : View{},
                         .whole = weight.whole && !weight.learns});
  });
  if (hook_ != nullptr) hook_->forward(run, x, out, kept);
}

// Of several bands dx is a sum.
void LinearSite::products_backward(Run& run, const View& x, const View& dy, const View& dx,
                                   const View& db, bool add_dx) const {
  const Param& w = *tensors_.w;
  bool add = add_dx;
  const auto products = [&](const Band& band, const View& value, const View& grad) {
    linear_backward(run, {.x = x,
                          .w = value,
                          .dy = dy.col_range(band.row, band.rows),
                          .dx = dx,
                          .dw = grad,
                          .db = db.col_range(band.row, band.rows),
                          .add_dx = add,
                          .whole = w.whole && !w.learns});
    add = true;
  };
  // A frozen matrix that nobody reads need not come.
  if (!dx && !w.trainable())
    return products({0, out()}, View{nullptr, out(), in(), in(), Dtype::kF32, nullptr}, {});
  for_bands_of(run, w, w.trainable() ? VisitFor::kBackward : VisitFor::kForward, products);
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
  products_backward(run, kept.x, d, dx, db, add_dx);
  if (hook_ != nullptr && dx) hook_->backward_in(run, dx, kept);
}

}  // namespace falconer
