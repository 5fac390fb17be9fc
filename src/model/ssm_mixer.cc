#include "model/ssm_mixer.h"

#include "model/scaled_input.h"
#include "ops/conv1d.h"
#include "ops/embedding.h"
#include "ops/gated.h"
#include "ops/residual.h"
#include "ops/scan.h"

namespace falconer {

void SsmMixer::declare(const ModelConfig& c, int64_t layer, const ModuleVisitor& visit) {
  const SsmConfig& s = c.ssm;
  ModuleShape in{.id = {layer, Role::kSsmIn}, .out = s.in_rows(), .in = c.width, .bias = s.in_bias};
  int64_t row = 0;
  const int64_t counts[] = {s.width(), s.width(), s.group_rows(), s.group_rows(), s.heads};
  for (size_t i = 0; i < std::size(counts); ++i) {
    in.parts.push_back({.name = SsmConfig::kParts[i], .rows = {{row, counts[i]}}});
    row += counts[i];
  }
  visit(in);
  visit({.id = {layer, Role::kSsmConv},
         .kind = ModuleKind::kConv,
         .out = s.conv_rows(),
         .in = s.taps,
         .bias = s.conv_bias});
  for (const Role role : {Role::kSsmDecay, Role::kSsmSkip, Role::kSsmTimeBias})
    visit({.id = {layer, role}, .kind = ModuleKind::kVector, .out = s.heads});
  if (s.norm) visit({.id = {layer, Role::kSsmNorm}, .kind = ModuleKind::kNorm, .out = s.width()});
  visit({.id = {layer, Role::kSsmOut}, .out = c.width, .in = s.width(), .bias = s.out_bias});
}

SsmMixer::SsmMixer(const ModelConfig& config, const Weights& weights, int64_t layer)
    : shape_(config.ssm),
      in_(weights.at({layer, Role::kSsmIn})),
      out_(weights.at({layer, Role::kSsmOut})),
      conv_(&weights.at({layer, Role::kSsmConv})),
      decay_(weights.at({layer, Role::kSsmDecay}).w),
      skip_(weights.at({layer, Role::kSsmSkip}).w),
      time_bias_(weights.at({layer, Role::kSsmTimeBias}).w) {
  if (shape_.norm) norm_.emplace(config, weights.at({layer, Role::kSsmNorm}), shape_.groups);
}

bool SsmMixer::needs_dprojected(bool want_dn) const {
  return want_dn || in_.trainable() || conv_->w->trainable() ||
         (conv_->b != nullptr && conv_->b->trainable()) || decay_->trainable() ||
         skip_->trainable() || time_bias_->trainable();
}

MixerCache SsmMixer::make_cache(const CacheSize& size, Dtype dtype, Device* device) const {
  const int64_t states = shape_.width() * shape_.state,
                tails = (shape_.taps - 1) * shape_.conv_rows();
  return {.states = Tensor(size.sequences, states, Dtype::kF32, device),
          .tails = Tensor(size.sequences, tails, dtype, device)};
}

int64_t SsmMixer::state_bytes(Dtype dtype) const {
  return static_cast<int64_t>(bytes_of(Dtype::kF32, shape_.width() * shape_.state) +
                              bytes_of(dtype, (shape_.taps - 1) * shape_.conv_rows()));
}

void SsmMixer::scale_parts(Run& run, const View& projected) const {
  for (size_t i = 0; i < shape_.part_scales.size(); ++i)
    for (const RowRange& rows : in_.parts()[i].rows)
      scale_by(run, projected.col_range(rows.begin, rows.count), shape_.part_scales[i]);
}

// What out_ reads, from the rows that are wanted.
View SsmMixer::gated_forward_of(Run& run, const View& gate, const View& scanned, bool want_dscanned,
                                SsmKept& kept) const {
  const View gated = run.push(norm_ ? want_dscanned : out_.needs_x(), scanned.rows, shape_.width());
  gated_forward(run, {.gate = gate, .up = scanned, .y = gated});
  if (!norm_) return gated;
  return norm_->forward(run, gated, want_dscanned, out_.needs_x(), kept.norm);
}

void SsmMixer::forward(Run& run, const MixerPass& pass, const View& n, const View& y,
                       MixerCache* cache, bool want_dn, MixerKept& of) const {
  SsmKept& kept = of.emplace<SsmKept>();
  const bool dprojected = needs_dprojected(want_dn), dscanned = needs_dscanned(want_dn);
  const View in = scaled_input(run, n, shape_.in_scale, in_.needs_x());
  kept.projected = run.push(dprojected, n.rows, shape_.in_rows());
  in_.forward(run, in, kept.projected, kept.in_site);
  scale_parts(run, kept.projected);
  kept.mixed = run.push(dprojected, n.rows, shape_.conv_rows());
  conv1d_forward(run, {.x = conv_of(kept.projected),
                       .w = conv_->w->value,
                       .b = conv_->b != nullptr ? conv_->b->value : View{},
                       .y = kept.mixed,
                       .tails = cache != nullptr ? cache->tails.view() : View{},
                       .spans = pass.batch.states});
  kept.scanned = run.push(dprojected && !pass.wanted, n.rows, shape_.width());
  scan_forward(run, {.x = x_of(kept.mixed),
                     .dt = time_of(kept.projected),
                     .b = b_of(kept.mixed),
                     .c = c_of(kept.mixed),
                     .y = kept.scanned,
                     .a_log = decay_->value,
                     .d = skip_->value,
                     .dt_bias = time_bias_->value,
                     .states = cache != nullptr ? cache->states.view() : View{},
                     .spans = pass.batch.states,
                     .groups = shape_.groups});
  View gate = gate_of(kept.projected);
  const LabelledRows labelled(run, static_cast<bool>(pass.wanted));
  if (const View& wanted = pass.wanted) {
    const View some = run.push(dprojected, wanted.size(), shape_.width());
    gather_forward(run, {.x = kept.scanned, .index = wanted, .y = some});
    kept.scanned = some;
    kept.gate = run.push(dprojected, wanted.size(), shape_.width());
    gather_forward(run, {.x = gate, .index = wanted, .y = kept.gate});
    gate = kept.gate;
  }
  const View gated = gated_forward_of(run, gate, kept.scanned, dscanned, kept);
  out_.forward(run, gated, y, kept.out_site);
  scale_by(run, y, shape_.out_scale);
}

void SsmMixer::backward(Run& run, const MixerPass& pass, const View& dy, const View& dn,
                        bool add_dn, MixerKept& of) const {
  SsmKept& kept = std::get<SsmKept>(of);
  const ArenaScope scope(*run.scratch);
  const bool dprojected = needs_dprojected(static_cast<bool>(dn));
  View dgated;
  {
    const LabelledRows labelled(run, static_cast<bool>(pass.wanted));
    const View d = scaled_gradient(run, dy, shape_.out_scale);
    if (!needs_dscanned(static_cast<bool>(dn))) {
      if (out_.trainable()) out_.backward(run, kept.out_site, d, {});
      return;
    }
    dgated = run.scratch->push(d.rows, shape_.width(), run.activation);
    out_.backward(run, kept.out_site, d, dgated);
    if (norm_) {
      View before;
      if (dprojected) {
        before = run.scratch->push(d.rows, shape_.width(), run.activation);
        set_zero(run, before);
      }
      norm_->backward(run, dgated, before, kept.norm);
      dgated = before;
    }
  }
  if (!dprojected) return;
  const View all = run.scratch->push(kept.projected.rows, shape_.in_rows(), run.activation);
  projected_backward(run, pass, dgated, all, kept);
  scale_parts(run, all);
  scaled_backward(run, shape_.in_scale, dn, add_dn,
                  [&](const View& to, bool add) { in_.backward(run, kept.in_site, all, to, add); });
}

// From the gradient of the gated rows to that of all that in_ gave, behind its factors.
void SsmMixer::projected_backward(Run& run, const MixerPass& pass, const View& dgated,
                                  const View& dprojected, SsmKept& kept) const {
  const ArenaScope scope(*run.scratch);
  const View dgate = gate_of(dprojected);
  View dscanned = dgated;
  if (!pass.wanted) {
    gated_backward(run, {.gate = gate_of(kept.projected),
                         .up = kept.scanned,
                         .dy = dgated,
                         .dgate = dgate,
                         .dup = dgated});
  } else {
    // Gradients take the place of what they are of, which nobody reads again.
    gated_backward(
        run,
        {.gate = kept.gate, .up = kept.scanned, .dy = dgated, .dgate = kept.gate, .dup = dgated});
    gather_backward(run, {.dy = kept.gate, .index = pass.wanted, .dx = dgate});
    dscanned = run.scratch->push(kept.projected.rows, shape_.width(), run.activation);
    gather_backward(run, {.dy = dgated, .index = pass.wanted, .dx = dscanned});
  }
  const View dmixed = run.scratch->push(kept.projected.rows, shape_.conv_rows(), run.activation);
  scan_backward_of(run, pass, dscanned, dmixed, time_of(dprojected), kept);
  conv1d_backward(run, {.x = conv_of(kept.projected),
                        .w = conv_->w->value,
                        .b = conv_->b != nullptr ? conv_->b->value : View{},
                        .dy = dmixed,
                        .dx = conv_of(dprojected),
                        .dw = conv_->w->grad,
                        .db = conv_->b != nullptr ? conv_->b->grad : View{},
                        .spans = pass.batch.states});
}

// The states that enter chunks are made again: kept, they would take as much as all else of a layer.
void SsmMixer::scan_backward_of(Run& run, const MixerPass& pass, const View& dscanned,
                                const View& dmixed, const View& dtime, const SsmKept& kept) const {
  const ArenaScope scope(*run.scratch);
  const View x = x_of(kept.mixed), b = b_of(kept.mixed), c = c_of(kept.mixed);
  const View entries =
      run.scratch->push(scan_chunks(pass.batch.states), shape_.width() * shape_.state, Dtype::kF32);
  scan_forward(run, {.x = x,
                     .dt = time_of(kept.projected),
                     .b = b,
                     .c = c,
                     .y = {},
                     .a_log = decay_->value,
                     .d = skip_->value,
                     .dt_bias = time_bias_->value,
                     .states = {},
                     .entries = entries,
                     .spans = pass.batch.states,
                     .groups = shape_.groups});
  scan_backward(run, {.x = x,
                      .dt = time_of(kept.projected),
                      .b = b,
                      .c = c,
                      .a_log = decay_->value,
                      .d = skip_->value,
                      .dt_bias = time_bias_->value,
                      .entries = entries,
                      .dy = dscanned,
                      .dx = x_of(dmixed),
                      .ddt = dtime,
                      .db = b_of(dmixed),
                      .dc = c_of(dmixed),
                      .da_log = decay_->grad,
                      .dd = skip_->grad,
                      .ddt_bias = time_bias_->grad,
                      .spans = pass.batch.states,
                      .groups = shape_.groups});
}

}  // namespace falconer
