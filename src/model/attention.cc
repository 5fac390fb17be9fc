#include "model/attention.h"

#include <cmath>

#include "model/qkv_rows.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/rope.h"

namespace falconer {
Attention::Attention(const ModelConfig& config, const LayerParams& params, int64_t layer)
    : qkv_(params.qkv, static_cast<int32_t>(4 * layer), qkv_parts(config)),
      dense_(params.dense, static_cast<int32_t>(4 * layer + 1)),
      layout_{config.groups, config.per_group(), config.head_size} {}

bool Attention::trainable() const {
  return qkv_.trainable() || dense_.trainable() || (hook_ != nullptr && hook_->trainable());
}

float Attention::scale() const {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(layout_.size)));
}

void Attention::forward(Run& run, const Batch& batch, const View& n, const View& wanted,
                        const View& y, const View& table, const View& alibi, LayerCache* cache,
                        bool want_dn, AttentionKept& kept) const {
  const int64_t rows = n.rows, heads = layout_.groups * layout_.per_group;
  const bool dout = needs_dout(want_dn);
  kept.qkv = run.push(dout, rows, qkv_.out());
  qkv_.forward(run, n, kept.qkv, kept.qkv_site);
  const Heads q = layout_.q(kept.qkv), k = layout_.k(kept.qkv), v = layout_.v(kept.qkv);
  if (table) {
    rope(run, {.x = q, .positions = batch.positions, .table = table});
    rope(run, {.x = k, .positions = batch.positions, .table = table});
  }
  Heads keys = k, values = v;
  if (cache != nullptr) {
    cache_store(run, {.from = k, .index = batch.cache_rows, .cache = cache->k.view()});
    cache_store(run, {.from = v, .index = batch.cache_rows, .cache = cache->v.view()});
    keys = {cache->k.view(), layout_.groups, 1, layout_.size, layout_.size};
    values = {cache->v.view(), layout_.groups, 1, layout_.size, layout_.size};
  }
  kept.wanted = wanted;
  kept.out = run.push(dout || (dense_.needs_x() && !wanted), rows, heads * layout_.size);
  kept.lse = run.store(dout).push(rows, heads, Dtype::kF32);
  attention_forward(run, {.q = q,
                          .k = keys,
                          .v = values,
                          .alibi = alibi,
                          .out = kept.out,
                          .lse = kept.lse,
                          .spans = batch.spans,
                          .scale = scale()});
  if (hook_ != nullptr)
    hook_->forward(run, qkv_, layout_, q, kept.out, kept.prefix,
                   cache != nullptr ? &cache->prefix : nullptr);
  View out = kept.out;
  const LabelledRows labelled(run, static_cast<bool>(wanted));
  if (wanted) {
    out = run.push(dense_.needs_x(), wanted.size(), out.cols);
    gather_forward(run, {.x = kept.out, .index = wanted, .y = out});
  }
  dense_.forward(run, out, y, kept.dense_site);
}

void Attention::backward(Run& run, const Batch& batch, const View& dy, const View& dn, bool add_dn,
                         const View& table, const View& alibi, AttentionKept& kept) const {
  const ArenaScope scope(*run.scratch);
  const bool want_dn = static_cast<bool>(dn);
  if (!needs_dout(want_dn)) {
    const LabelledRows labelled(run, static_cast<bool>(kept.wanted));
    if (dense_.trainable()) dense_.backward(run, kept.dense_site, dy, {});
    return;
  }
  const int64_t rows = kept.qkv.rows, heads = layout_.groups * layout_.per_group;
  const View dout = run.scratch->push(rows, heads * layout_.size, run.activation);
  if (kept.wanted) {
    const ArenaScope taken(*run.scratch);
    const LabelledRows labelled(run, true);
    const View some = run.scratch->push(dy.rows, dout.cols, run.activation);
    dense_.backward(run, kept.dense_site, dy, some);
    gather_backward(run, {.dy = some, .index = kept.wanted, .dx = dout});
  } else {
    dense_.backward(run, kept.dense_site, dy, dout);
  }
  const View delta = run.scratch->push(rows, heads, Dtype::kF32);
  attention_delta(run, {.out = kept.out, .dout = dout, .delta = delta, .heads = heads});
  const View dqkv = run.scratch->push(rows, qkv_.out(), run.activation);
  const Heads q = layout_.q(kept.qkv), k = layout_.k(kept.qkv), v = layout_.v(kept.qkv);
  const Heads dq = layout_.q(dqkv), dk = layout_.k(dqkv), dv = layout_.v(dqkv);
  if (hook_ != nullptr) hook_->backward(run, qkv_, layout_, q, dout, delta, dq, kept.prefix);
  if (!needs_dqkv(want_dn)) return;
  attention_backward(run, {.q = q,
                           .k = k,
                           .v = v,
                           .alibi = alibi,
                           .dout = dout,
                           .lse = kept.lse,
                           .delta = delta,
                           .dq = dq,
                           .dk = dk,
                           .dv = dv,
                           .spans = batch.spans,
                           .scale = scale(),
                           .add_dq = hook_ != nullptr});
  if (table) {
    rope(run, {.x = dq, .positions = batch.positions, .table = table, .inverse = true});
    rope(run, {.x = dk, .positions = batch.positions, .table = table, .inverse = true});
  }
  qkv_.backward(run, kept.qkv_site, dqkv, dn, add_dn);
}

}  // namespace falconer
