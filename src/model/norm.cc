#include "model/norm.h"

#include "model/mixed_rows.h"
#include "ops/norm.h"
#include "ops/rms_norm.h"

namespace falconer {

ModuleShape Norm::declared(const ModelConfig& config, const ModuleId& id) {
  return {.id = id,
          .kind = ModuleKind::kNorm,
          .out = config.width,
          .bias = config.norm == ModelConfig::NormKind::kLayer && config.norm_bias};
}

View Norm::forward(Run& run, const View& x, bool want_dy, bool keep_output, NormKept& kept) const {
  kept.x = x;
  FALCONER_CHECK(groups_ == 1 || rms_);
  kept.stats = run.store(want_dy).push(x.rows, rms_ ? groups_ : 2, Dtype::kF32);
  const View n = run.push(keep_output, x.rows, x.cols);
  if (run.mixed == nullptr) {
    rows_forward(run, x, n, kept.stats, {});
    return n;
  }
  run.mixed->for_each(x.rows, [&](const RowsOfAdapter& of, int64_t begin, int64_t count) {
    rows_forward(run, x.row_range(begin, count), n.row_range(begin, count),
                 kept.stats.row_range(begin, count), of.parts->norms);
  });
  return n;
}

void Norm::rows_forward(Run& run, const View& x, const View& y, const View& stats,
                        const std::map<const Param*, View>& others) const {
  const auto value_of = [&](const Param* param) {
    if (param == nullptr) return View{};
    const auto other = others.find(param);
    return other == others.end() ? param->value : other->second;
  };
  const View w = value_of(module_->w), b = value_of(module_->b);
  if (!rms_)
    return norm_forward(run, {.x = x, .w = w, .b = b, .y = y, .stats = stats, .eps = eps_});
  const int64_t cols = x.cols / groups_;
  for (int64_t g = 0; g < groups_; ++g)
    rms_norm_forward(run, {.x = one_head(x.col_range(g * cols, cols)),
                           .y = one_head(y.col_range(g * cols, cols)),
                           .w = w.col_range(g * cols, cols),
                           .stats = stats.col_range(g, 1),
                           .eps = eps_,
                           .offset = offset_});
}

void Norm::backward(Run& run, const View& dy, const View& dx_add, const NormKept& kept) const {
  const View w = module_->w->value, dw = module_->w->grad;
  if (!rms_)
    return norm_backward(run, {.x = kept.x,
                               .w = w,
                               .stats = kept.stats,
                               .dy = dy,
                               .dx_add = dx_add,
                               .dw = dw,
                               .db = module_->b != nullptr ? module_->b->grad : View{}});
  const int64_t cols = dy.cols / groups_;
  for (int64_t g = 0; g < groups_; ++g)
    rms_norm_backward(run, {.x = one_head(kept.x.col_range(g * cols, cols)),
                            .w = w.col_range(g * cols, cols),
                            .stats = kept.stats.col_range(g, 1),
                            .dy = one_head(dy.col_range(g * cols, cols)),
                            .dx = one_head(dx_add.col_range(g * cols, cols)),
                            .dw = dw.col_range(g * cols, cols),
                            .offset = offset_,
                            .add_dx = true});
}

ModuleShape HeadNorm::declared(const ModelConfig& config, const ModuleId& id, int64_t heads) {
  const bool together = config.head_norm == ModelConfig::HeadNorm::kAllHeads;
  return {.id = id,
          .kind = ModuleKind::kNorm,
          .out = together ? heads * config.head_size : config.head_size};
}

Heads HeadNorm::heads_of(const Heads& heads) const {
  return together_ ? one_head(heads.rows.col_range(0, heads.count() * heads.size)) : heads;
}

void HeadNorm::forward(Run& run, const Heads& x, const Heads& y, bool want_dy, View& stats) const {
  const Heads from = heads_of(x);
  stats = run.store(want_dy).push(from.rows.rows, from.count(), Dtype::kF32);
  rms_norm_forward(run, {.x = from,
                         .y = heads_of(y),
                         .w = module_->w->value,
                         .stats = stats,
                         .eps = eps_,
                         .offset = offset_});
}

void HeadNorm::backward(Run& run, const Heads& x, const Heads& dy, const Heads& dx,
                        const View& stats) const {
  rms_norm_backward(run, {.x = heads_of(x),
                          .w = module_->w->value,
                          .stats = stats,
                          .dy = heads_of(dy),
                          .dx = heads_of(dx),
                          .dw = module_->w->grad,
                          .offset = offset_});
}

}  // namespace falconer
