#include "model/block.h"

#include "ops/norm.h"
#include "ops/residual.h"

namespace falconer {

Block::Block(const ModelConfig& config, const LayerParams& params, int64_t layer)
    : norm1_(params.norm1),
      norm2_(params.norm2),
      attention_(config, params, layer),
      mlp_(params, layer),
      parallel_(config.parallel),
      eps_(static_cast<float>(config.norm_eps)) {}

bool Block::trainable() const {
  const bool norms = wants_dn(norm1_, false) || (norm2_.w != nullptr && wants_dn(norm2_, false));
  return norms || attention_.trainable() || mlp_.trainable();
}

View Block::normed(Run& run, const NormParams& norm, const View& x, bool want_dn, bool keep_output,
                   NormKept& kept) const {
  kept.x = x;
  kept.stats = run.store(want_dn).push(x.rows, 2, Dtype::kF32);
  const View n = run.push(keep_output, x.rows, x.cols);
  norm_forward(
      run,
      {.x = x, .w = norm.w->value, .b = norm.b->value, .y = n, .stats = kept.stats, .eps = eps_});
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

void Block::forward(Run& run, const Batch& batch, const View& x, const View& y,
                    const BlockTables& tables, LayerCache* cache, bool want_dx,
                    BlockKept& kept) const {
  const ArenaScope scope(*run.scratch);
  // In a sequential block the MLP hands its gradient to the attention branch even where x wants
  // none.
  const bool want_dz =
      parallel_ ? want_dx : want_dx || attention_.trainable() || wants_dn(norm1_, false);
  const bool keep_n1 = attention_.needs_input() || (shared_norm() && mlp_.needs_input());
  const View n1 = normed(run, norm1_, x, wants_dn(norm1_, want_dx), keep_n1, kept.norm1);
  const View a = y || !parallel_ ? run.scratch->push(x.rows, x.cols, run.activation) : View{};
  attention_.forward(run, batch, n1, a, tables.rope, tables.alibi, cache, wants_dn(norm1_, want_dx),
                     kept.attention);
  if (parallel_) {
    const View n2 = shared_norm() ? n1
                                  : normed(run, norm2_, x, wants_dn(norm2_, want_dx),
                                           mlp_.needs_input(), kept.norm2);
    const View m = y ? run.scratch->push(x.rows, x.cols, run.activation) : View{};
    const bool want_dn2 = shared_norm() ? wants_dn(norm1_, want_dx) : wants_dn(norm2_, want_dx);
    mlp_.forward(run, n2, m, want_dn2, kept.mlp);
    if (y) residual(run, {.x = x, .a = a, .b = m, .y = y});
    return;
  }
  const bool keep_z = run.keep && wants_dn(norm2_, want_dz);
  const View z = keep_z || !y ? run.push(keep_z, x.rows, x.cols) : y;
  residual(run, {.x = x, .a = a, .y = z});
  const View n2 = normed(run, norm2_, z, wants_dn(norm2_, want_dz), mlp_.needs_input(), kept.norm2);
  const View m = y ? a : View{};  // the attention's output was added: its memory is free
  mlp_.forward(run, n2, m, wants_dn(norm2_, want_dz), kept.mlp);
  if (y) residual(run, {.x = z, .a = m, .y = y});
}

void Block::backward(Run& run, const Batch& batch, const View& dy, const BlockTables& tables,
                     bool want_dx, BlockKept& kept) const {
  const ArenaScope scope(*run.scratch);
  const auto new_dn = [&](bool wanted) {
    return wanted ? run.scratch->push(dy.rows, dy.cols, run.activation) : View{};
  };
  const View dn1 = new_dn(wants_dn(norm1_, want_dx));
  const View below = want_dx ? dy : View{};
  if (parallel_) {
    const View dn2 = shared_norm() ? dn1 : new_dn(wants_dn(norm2_, want_dx));
    mlp_.backward(run, dy, dn2, kept.mlp);
    attention_.backward(run, batch, dy, dn1, shared_norm(), tables.rope, tables.alibi,
                        kept.attention);
    if (dn2 && !shared_norm()) norm_gradient(run, norm2_, dn2, below, kept.norm2);
    if (dn1) norm_gradient(run, norm1_, dn1, below, kept.norm1);
    return;
  }
  const bool want_dz = want_dx || attention_.trainable() || wants_dn(norm1_, false);
  const View dn2 = new_dn(wants_dn(norm2_, want_dz));
  mlp_.backward(run, dy, dn2, kept.mlp);
  if (dn2) norm_gradient(run, norm2_, dn2, want_dz ? dy : View{}, kept.norm2);
  attention_.backward(run, batch, dy, dn1, false, tables.rope, tables.alibi, kept.attention);
  if (dn1) norm_gradient(run, norm1_, dn1, below, kept.norm1);
}

}  // namespace falconer
