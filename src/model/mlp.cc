#include "model/mlp.h"

#include "model/scaled_input.h"
#include "ops/gelu.h"

namespace falconer {
namespace {

Role role_of_up(const ModelConfig& config) {
  return config.mlp == ModelConfig::MlpKind::kGatedInOne ? Role::kGateUp : Role::kUp;
}

}  // namespace

void Mlp::declare(const ModelConfig& c, int64_t layer, const ModuleVisitor& visit) {
  const bool in_one = c.mlp == ModelConfig::MlpKind::kGatedInOne;
  ModuleShape up{.id = {layer, role_of_up(c)},
                 .out = in_one ? 2 * c.mlp_width : c.mlp_width,
                 .in = c.width,
                 .bias = c.mlp_bias};
  if (in_one)
    up.parts = {{.name = "gate", .rows = {{0, c.mlp_width}}},
                {.name = "up", .rows = {{c.mlp_width, c.mlp_width}}}};
  if (c.mlp == ModelConfig::MlpKind::kGated) {
    ModuleShape gate = up;
    gate.id.role = Role::kGate;
    visit(gate);
  }
  visit(up);
  visit({.id = {layer, Role::kDown}, .out = c.width, .in = c.mlp_width, .bias = c.mlp_bias});
}

Mlp::Mlp(const ModelConfig& config, const Weights& weights, int64_t layer)
    : up_(weights.at({layer, role_of_up(config)})),
      down_(weights.at({layer, Role::kDown})),
      gated_(config.mlp != ModelConfig::MlpKind::kPlain),
      activation_(config.activation),
      gate_scale_(config.gate_scale),
      down_scale_(config.down_scale) {
  if (config.mlp == ModelConfig::MlpKind::kGated) gate_.emplace(weights.at({layer, Role::kGate}));
  FALCONER_CHECK(gated_ || activation_ != Activation::kSilu);
}

std::vector<LinearSite*> Mlp::sites() {
  std::vector<LinearSite*> all;
  if (gate_) all.push_back(&*gate_);
  all.push_back(&up_);
  all.push_back(&down_);
  return all;
}

void Mlp::activate(Run& run, const View& pre, const View& act) const {
  if (gated_)
    gated_forward(run, {.gate = gate_of(pre), .up = up_of(pre), .y = act, .act = activation_});
  else
    gelu_forward(run, {.x = pre, .y = act, .tanh = activation_ == Activation::kGeluTanh});
}

void Mlp::forward(Run& run, const MixerPass&, const View& n, const View& y, MixerCache*,
                  bool want_dn, MixerKept& of) const {
  MlpKept& kept = of.emplace<MlpKept>();
  const bool keep_pre = run.keep && needs_dpre(want_dn);
  kept.pre = run.push(keep_pre, n.rows, gate_ ? 2 * width() : up_.out());
  if (gate_) gate_->forward(run, n, gate_of(kept.pre), kept.gate_site);
  up_.forward(run, n, gate_ ? up_of(kept.pre) : kept.pre, kept.up_site);
  // Where nobody reads `pre` again the activation goes in place, unless its output must be kept and `pre`
  // lies in scratch.
  const bool keep_act = run.keep && down_.needs_x();
  if (gated_) scale_by(run, gate_of(kept.pre), gate_scale_);
  const View act = keep_pre || keep_act ? run.push(keep_act, n.rows, width()) : gate_of(kept.pre);
  activate(run, kept.pre, act);
  down_.forward(run, act, y, kept.down_site);
  scale_by(run, y, down_scale_);
}

void Mlp::backward(Run& run, const MixerPass&, const View& dy_scaled, const View& dn, bool add_dn,
                   MixerKept& of) const {
  MlpKept& kept = std::get<MlpKept>(of);
  const ArenaScope scope(*run.scratch);
  const View dy = scaled_gradient(run, dy_scaled, down_scale_);
  if (!needs_dpre(static_cast<bool>(dn))) {
    if (down_.trainable()) down_.backward(run, kept.down_site, dy, {});
    return;
  }
  const View d = run.scratch->push(dy.rows, width(), run.activation);
  down_.backward(run, kept.down_site, dy, d);
  if (!gated_) {
    gelu_backward(run, {.x = kept.pre, .d = d, .tanh = activation_ == Activation::kGeluTanh});
    return up_.backward(run, kept.up_site, d, dn, add_dn);
  }
  // The gradients take the place of what they are of, which nobody reads again.
  const View dgate = gate_of(kept.pre), dup = up_of(kept.pre);
  gated_backward(
      run, {.gate = dgate, .up = dup, .dy = d, .dgate = dgate, .dup = dup, .act = activation_});
  scale_by(run, dgate, gate_scale_);
  if (!gate_) return up_.backward(run, kept.up_site, kept.pre, dn, add_dn);
  gate_->backward(run, kept.gate_site, dgate, dn, add_dn);
  up_.backward(run, kept.up_site, dup, dn, true);
}

}  // namespace falconer
