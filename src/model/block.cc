#include "model/block.h"

#include "ops/embedding.h"
#include "ops/norm.h"
#include "ops/pass_observer.h"
#include "ops/residual.h"

namespace falconer {

Block::Block(const ModelConfig& config, const LayerParams& params, int64_t layer)
    : norm1_(params.norm1),
      norm2_(params.norm2),
      attention_(config, params, layer),
      mlp_(params, layer),
      layer_(layer),
      parallel_(config.parallel),
      eps_(static_cast<float>(config.norm_eps)) {}

bool Block::trainable() const {
  const bool norms = wants_dn(norm1_, false) || (norm2_.w != nullptr && wants_dn(norm2_, false));
  return norms || attention_.trainable() || mlp_.trainable();
}

View Block::normed(Run& run, const char* name, const NormParams& norm, const View& x, bool want_dn,
                   bool keep_output, NormKept& kept) const {
  kept.x = x;
  kept.stats = run.store(want_dn).push(x.rows, 2, Dtype::kF32);
  const View n = run.push(keep_output, x.rows, x.cols);
  norm_forward(
      run,
      {.x = x, .w = norm.w->value, .b = norm.b->value, .y = n, .stats = kept.stats, .eps = eps_});
  tell_made(run, {name, layer_}, n);
  return n;
}

void Block::norm_gradient(Run& run, const NormParams& norm, const View& dn, const View& dx_add,
                          const NormKept& kept) const {
  norm_backward(run, {.x = kept.x,
                      .w = norm.w->value,
                      .stats = kept.stats,
                      .dy = dn,
                      .dx_add = dx_add,
                      .dw = norm.w->grad,
                      .db = norm.b->grad});
}

void Block::forward(Run& run, const Batch& batch, const View& x, const View& wanted, const View& y,
                    const BlockTables& tables, LayerCache* cache, bool want_dx,
                    BlockKept& kept) const {
  const ArenaScope scope(*run.scratch);
  kept.wanted = wanted;
  const int64_t rows = wanted ? wanted.size() : x.rows;
  const auto taken = [&](const View& from, bool keep) {
    if (!wanted) return from;
    const View some = run.push(keep, rows, from.cols);
    gather_forward(run, {.x = from, .index = wanted, .y = some});
    return some;
  };
  // In a sequential block the MLP hands its gradient to the attention branch even where x wants
  // none.
  const bool want_dz =
      parallel_ ? want_dx : want_dx || attention_.trainable() || wants_dn(norm1_, false);
  const bool want_dn1 = wants_dn(norm1_, want_dx);
  const bool keep_n1 = attention_.needs_input() || (shared_norm() && !wanted && mlp_.needs_input());
  const View n1 = normed(run, "input_norm", norm1_, x, want_dn1, keep_n1, kept.norm1);
  const View a = y || !parallel_ ? run.scratch->push(rows, x.cols, run.activation) : View{};
  attention_.forward(run, batch, n1, wanted, a, tables.rope, tables.alibi, cache, want_dn1,
                     kept.attention);
  tell_made(run, {"attention", layer_}, a);
  if (parallel_) {
    const bool want_dn2 = shared_norm() ? want_dn1 : wants_dn(norm2_, want_dx);
    const View from = taken(x, !shared_norm() && want_dn2);
    const View n2 = shared_norm() ? taken(n1, mlp_.needs_input())
                                  : normed(run, "mlp_norm", norm2_, from, want_dn2,
                                           mlp_.needs_input(), kept.norm2);
    const View m = y ? run.scratch->push(rows, x.cols, run.activation) : View{};
    const LabelledRows labelled(run, static_cast<bool>(wanted));
    mlp_.forward(run, n2, m, want_dn2, kept.mlp);
    tell_made(run, {"mlp", layer_}, m);
    if (y) residual(run, {.x = from, .a = a, .b = m, .y = y});
    return tell_made(run, {"block", layer_}, y);
  }
  const bool want_dn2 = wants_dn(norm2_, want_dz), keep_z = run.keep && want_dn2;
  const View z = keep_z || !y ? run.push(keep_z, rows, x.cols) : y;
  residual(run, {.x = taken(x, false), .a = a, .y = z});
  const View n2 = normed(run, "mlp_norm", norm2_, z, want_dn2, mlp_.needs_input(), kept.norm2);
  const View m = y ? a : View{};  // the attention's output was added: its memory is free
  const LabelledRows labelled(run, static_cast<bool>(wanted));
  mlp_.forward(run, n2, m, want_dn2, kept.mlp);
  tell_made(run, {"mlp", layer_}, m);
  if (y) residual(run, {.x = z, .a = m, .y = y});
  tell_made(run, {"block", layer_}, y);
}

void Block::backward(Run& run, const Batch& batch, const View& dy, const View& dx,
                     const BlockTables& tables, bool want_dx, BlockKept& kept) const {
  const ArenaScope scope(*run.scratch);
  const auto new_dn = [&](int64_t rows, bool needed) {
    return needed ? run.scratch->push(rows, dy.cols, run.activation) : View{};
  };
  const View& wanted = kept.wanted;
  const bool want_dz =
      parallel_ ? want_dx : want_dx || attention_.trainable() || wants_dn(norm1_, false);
  const View dn1 = new_dn(dx.rows, wants_dn(norm1_, want_dx));
  View dn2 = dn1;
  if (!shared_norm()) dn2 = new_dn(dy.rows, wants_dn(norm2_, want_dz));
  if (shared_norm() && wanted) dn2 = new_dn(dy.rows, static_cast<bool>(dn1));
  const auto norm2_gradient = [&] {
    if (dn2 && !shared_norm()) norm_gradient(run, norm2_, dn2, want_dz ? dy : View{}, kept.norm2);
  };
  {
    const LabelledRows labelled(run, static_cast<bool>(wanted));
    mlp_.backward(run, dy, dn2, kept.mlp);
  }
  if (shared_norm() && wanted && dn1) gather_backward(run, {.dy = dn2, .index = wanted, .dx = dn1});
  if (!parallel_) norm2_gradient();
  attention_.backward(run, batch, dy, dn1, shared_norm(), tables.rope, tables.alibi,
                      kept.attention);
  if (parallel_) norm2_gradient();
  if (wanted && want_dx) gather_backward(run, {.dy = dy, .index = wanted, .dx = dx});
  if (dn1) norm_gradient(run, norm1_, dn1, want_dx ? dx : View{}, kept.norm1);
}

}  // namespace falconer
