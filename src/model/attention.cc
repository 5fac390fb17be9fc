#include "model/attention.h"

#include "model/scaled_input.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/rope.h"

namespace falconer {

void Attention::declare(const ModelConfig& c, int64_t layer, const ModuleVisitor& visit) {
  if (c.head_norm != ModelConfig::HeadNorm::kNone) {
    visit(HeadNorm::declared(c, {layer, Role::kQNorm}, c.heads));
    visit(HeadNorm::declared(c, {layer, Role::kKNorm}, c.groups));
  }
  QkvProjection::declare(c, layer, visit);
  visit({.id = {layer, Role::kDense}, .out = c.width, .in = c.q_rows(), .bias = c.dense_bias});
}

Attention::Attention(const ModelConfig& config, const Weights& weights, int64_t layer)
    : qkv_(config, weights, layer),
      dense_(weights.at({layer, Role::kDense})),
      window_(config.window(layer)),
      own_rope_(window_ > 0 && config.window_rope_base > 0),
      interleaved_(config.rope_interleaved),
      in_scale_(config.attention_in_scale),
      out_scale_(config.attention_out_scale) {
  if (config.head_norm == ModelConfig::HeadNorm::kNone) return;
  q_norm_.emplace(config, weights.at({layer, Role::kQNorm}));
  k_norm_.emplace(config, weights.at({layer, Role::kKNorm}));
}

bool Attention::trainable() const {
  return qkv_.trainable() || dense_.trainable() || (hook_ != nullptr && hook_->trainable()) ||
         (q_norm_ && (q_norm_->trainable() || k_norm_->trainable()));
}

bool Attention::needs_dqkv(bool want_dn) const {
  return want_dn || qkv_.trainable() || (q_norm_ && (q_norm_->trainable() || k_norm_->trainable()));
}

std::vector<LinearSite*> Attention::sites() {
  std::vector<LinearSite*> all;
  for (LinearSite& site : qkv_.sites()) all.push_back(&site);
  all.push_back(&dense_);
  return all;
}

MixerCache Attention::make_cache(const CacheSize& size, Dtype dtype, Device* device) const {
  const int64_t width = qkv_.layout().groups * qkv_.layout().size;
  return {.k = Tensor(size.rows, width, dtype, device),
          .v = Tensor(size.rows, width, dtype, device)};
}

int64_t Attention::cache_bytes(Dtype dtype) const {
  return 2 * static_cast<int64_t>(bytes_of(dtype, qkv_.layout().groups * qkv_.layout().size));
}

Attention::Scored Attention::scored(const View& qkv, const View& qk) const {
  const QkvLayout& layout = qkv_.layout();
  if (!qk) return {layout.q(qkv), layout.k(qkv)};
  const int64_t size = layout.size, queries = layout.heads() * size;
  return {{qk, layout.groups, layout.per_group, layout.per_group * size, size},
          {qk.col_range(queries, layout.groups * size), layout.groups, 1, size, size}};
}

void Attention::rotate(Run& run, const MixerPass& pass, const Heads& x, bool inverse) const {
  const bool rows = pass.tables.rope_rows && !own_rope_;
  if (const View& table = rope_of(pass.tables))
    rope(run, {.x = x,
               .positions = rows ? pass.tables.rope_rows : pass.batch.positions,
               .table = table,
               .inverse = inverse,
               .interleaved = interleaved_});
}

void Attention::forward(Run& run, const MixerPass& pass, const View& n, const View& y,
                        MixerCache* cache, bool want_dn, MixerKept& of) const {
  AttentionKept& kept = of.emplace<AttentionKept>();
  const QkvLayout& layout = qkv_.layout();
  const Batch& batch = pass.batch;
  const View& wanted = pass.wanted;
  const int64_t rows = n.rows, heads = layout.heads();
  const bool dout = needs_dout(want_dn);
  kept.qkv = run.push(dout, rows, qkv_.out());
  qkv_.forward(run, scaled_input(run, n, in_scale_, qkv_.needs_x()), kept.qkv, kept.qkv_sites);
  if (q_norm_) {
    kept.qk = run.push(dout, rows, (heads + layout.groups) * layout.size);
    const Scored made = scored({}, kept.qk);
    q_norm_->forward(run, layout.q(kept.qkv), made.q, dout, kept.q_stats);
    k_norm_->forward(run, layout.k(kept.qkv), made.k, dout, kept.k_stats);
  }
  const auto [q, k] = scored(kept.qkv, kept.qk);
  const Heads v = layout.v(kept.qkv);
  rotate(run, pass, q, false);
  rotate(run, pass, k, false);
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
                          .pages = batch.pages,
                          .scale = layout.scale,
                          .window = window_,
                          .cap = layout.cap});
  if (hook_ != nullptr) hook_->forward(run, qkv_, q, kept.out, kept.prefix, nullptr);
  View out = kept.out;
  const LabelledRows labelled(run, static_cast<bool>(wanted));
  if (wanted) {
    out = run.push(dense_.needs_x(), wanted.size(), out.cols);
    gather_forward(run, {.x = kept.out, .index = wanted, .y = out});
  }
  dense_.forward(run, out, y, kept.dense_site);
  scale_by(run, y, out_scale_);
}

void Attention::backward(Run& run, const MixerPass& pass, const View& dy_scaled, const View& dn,
                         bool add_dn, MixerKept& of) const {
  AttentionKept& kept = std::get<AttentionKept>(of);
  const QkvLayout& layout = qkv_.layout();
  const Batch& batch = pass.batch;
  const View& wanted = pass.wanted;
  const ArenaScope scope(*run.scratch);
  const bool want_dn = static_cast<bool>(dn);
  const View dy = scaled_gradient(run, dy_scaled, out_scale_);
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
  const View dqk = q_norm_ ? run.scratch->push(rows, kept.qk.cols, run.activation) : View{};
  const auto [q, k] = scored(kept.qkv, kept.qk);
  const auto [dq, dk] = scored(dqkv, dqk);
  if (hook_ != nullptr) hook_->backward(run, qkv_, q, dout, delta, dq, kept.prefix);
  if (!needs_dqkv(want_dn)) return;
  attention_backward(run, {.q = q,
                           .k = k,
                           .v = layout.v(kept.qkv),
                           .alibi = pass.tables.alibi,
                           .dout = dout,
                           .lse = kept.lse,
                           .delta = delta,
                           .dq = dq,
                           .dk = dk,
                           .dv = layout.v(dqkv),
                           .spans = batch.spans,
                           .scale = layout.scale,
                           .add_dq = hook_ != nullptr,
                           .window = window_,
                           .cap = layout.cap});
  rotate(run, pass, dq, true);
  rotate(run, pass, dk, true);
  if (q_norm_) {
    q_norm_->backward(run, layout.q(kept.qkv), dq, layout.q(dqkv), kept.q_stats);
    k_norm_->backward(run, layout.k(kept.qkv), dk, layout.k(dqkv), kept.k_stats);
  }
  scaled_backward(run, in_scale_, dn, add_dn, [&](const View& to, bool add) {
    qkv_.backward(run, kept.qkv_sites, dqkv, to, add);
  });
}

}  // namespace falconer
