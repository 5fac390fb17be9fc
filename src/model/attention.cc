#include "model/attention.h"

#include <cmath>

#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/rope.h"

namespace falconer {

void Attention::declare(const ModelConfig& c, int64_t layer, const ModuleVisitor& visit) {
  QkvProjection::declare(c, layer, visit);
  visit({.id = {layer, Role::kDense}, .out = c.width, .in = c.q_rows(), .bias = c.dense_bias});
}

Attention::Attention(const ModelConfig& config, const Weights& weights, int64_t layer)
    : qkv_(config, weights, layer), dense_(weights.at({layer, Role::kDense})) {}

bool Attention::trainable() const {
  return qkv_.trainable() || dense_.trainable() || (hook_ != nullptr && hook_->trainable());
}

std::vector<LinearSite*> Attention::sites() {
  std::vector<LinearSite*> all;
  for (LinearSite& site : qkv_.sites()) all.push_back(&site);
  all.push_back(&dense_);
  return all;
}

MixerCache Attention::make_cache(int64_t slots, int64_t capacity, Dtype dtype,
                                 Device* device) const {
  const int64_t width = qkv_.layout().groups * qkv_.layout().size;
  return {.k = Tensor(slots * capacity, width, dtype, device),
          .v = Tensor(slots * capacity, width, dtype, device),
          .prefix = {}};
}

float Attention::scale() const {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(qkv_.layout().size)));
}

void Attention::forward(Run& run, const MixerPass& pass, const View& n, const View& y,
                        MixerCache* cache, bool want_dn, MixerKept& of) const {
  AttentionKept& kept = of.emplace<AttentionKept>();
  const QkvLayout& layout = qkv_.layout();
  const Batch& batch = pass.batch;
  const View &wanted = pass.wanted, &table = pass.tables.rope;
  const int64_t rows = n.rows, heads = layout.heads();
  const bool dout = needs_dout(want_dn);
  kept.qkv = run.push(dout, rows, qkv_.out());
  qkv_.forward(run, n, kept.qkv, kept.qkv_sites);
  const Heads q = layout.q(kept.qkv), k = layout.k(kept.qkv), v = layout.v(kept.qkv);
  if (table) {
    rope(run, {.x = q, .positions = batch.positions, .table = table});
    rope(run, {.x = k, .positions = batch.positions, .table = table});
  }
  Heads keys = k, values = v;
  if (cache != nullptr) {
    cache_store(run, {.from = k, .index = batch.cache_rows, .cache = cache->k.view()});
    cache_store(run, {.from = v, .index = batch.cache_rows, .cache = cache->v.view()});
    keys = {cache->k.view(), layout.groups, 1, layout.size, layout.size};
    values = {cache->v.view(), layout.groups, 1, layout.size, layout.size};
  }
  kept.out = run.push(dout || (dense_.needs_x() && !wanted), rows, heads * layout.size);
  kept.lse = run.store(dout).push(rows, heads, Dtype::kF32);
  attention_forward(run, {.q = q,
                          .k = keys,
                          .v = values,
                          .alibi = pass.tables.alibi,
                          .out = kept.out,
                          .lse = kept.lse,
                          .spans = batch.spans,
                          .scale = scale()});
  if (hook_ != nullptr)
    hook_->forward(run, qkv_, q, kept.out, kept.prefix,
                   cache != nullptr ? &cache->prefix : nullptr);
  View out = kept.out;
  const LabelledRows labelled(run, static_cast<bool>(wanted));
  if (wanted) {
    out = run.push(dense_.needs_x(), wanted.size(), out.cols);
    gather_forward(run, {.x = kept.out, .index = wanted, .y = out});
  }
  dense_.forward(run, out, y, kept.dense_site);
}

void Attention::backward(Run& run, const MixerPass& pass, const View& dy, const View& dn,
                         bool add_dn, MixerKept& of) const {
  AttentionKept& kept = std::get<AttentionKept>(of);
  const QkvLayout& layout = qkv_.layout();
  const Batch& batch = pass.batch;
  const View &wanted = pass.wanted, &table = pass.tables.rope;
  const ArenaScope scope(*run.scratch);
  const bool want_dn = static_cast<bool>(dn);
  if (!needs_dout(want_dn)) {
    const LabelledRows labelled(run, static_cast<bool>(wanted));
    if (dense_.trainable()) dense_.backward(run, kept.dense_site, dy, {});
    return;
  }
  const int64_t rows = kept.qkv.rows, heads = layout.heads();
  const View dout = run.scratch->push(rows, heads * layout.size, run.activation);
  if (wanted) {
    const ArenaScope taken(*run.scratch);
    const LabelledRows labelled(run, true);
    const View some = run.scratch->push(dy.rows, dout.cols, run.activation);
    dense_.backward(run, kept.dense_site, dy, some);
    gather_backward(run, {.dy = some, .index = wanted, .dx = dout});
  } else {
    dense_.backward(run, kept.dense_site, dy, dout);
  }
  const View delta = run.scratch->push(rows, heads, Dtype::kF32);
  attention_delta(run, {.out = kept.out, .dout = dout, .delta = delta, .heads = heads});
  const View dqkv = run.scratch->push(rows, qkv_.out(), run.activation);
  const Heads q = layout.q(kept.qkv), k = layout.k(kept.qkv), v = layout.v(kept.qkv);
  const Heads dq = layout.q(dqkv), dk = layout.k(dqkv), dv = layout.v(dqkv);
  if (hook_ != nullptr) hook_->backward(run, qkv_, q, dout, delta, dq, kept.prefix);
  if (!needs_dqkv(want_dn)) return;
  attention_backward(run, {.q = q,
                           .k = k,
                           .v = v,
                           .alibi = pass.tables.alibi,
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
  qkv_.backward(run, kept.qkv_sites, dqkv, dn, add_dn);
}

}  // namespace falconer
