#include "model/mlp.h"

#include "ops/gelu.h"

namespace falconer {

Mlp::Mlp(const ModelConfig&, const Weights& weights, int64_t layer)
    : up_(weights.at({layer, Role::kUp})), down_(weights.at({layer, Role::kDown})) {}

void Mlp::declare(const ModelConfig& c, int64_t layer, const ModuleVisitor& visit) {
  visit({.id = {layer, Role::kUp}, .out = c.mlp_width, .in = c.width, .bias = c.mlp_bias});
  visit({.id = {layer, Role::kDown}, .out = c.width, .in = c.mlp_width, .bias = c.mlp_bias});
}

void Mlp::forward(Run& run, const MixerPass&, const View& n, const View& y, MixerCache*,
                  bool want_dn, MixerKept& of) const {
  MlpKept& kept = of.emplace<MlpKept>();
  const bool keep_pre = run.keep && needs_dpre(want_dn);
  kept.pre = run.push(keep_pre, n.rows, up_.out());
  up_.forward(run, n, kept.pre, kept.up_site);
  // Where nobody reads `pre` again GELU goes in place, unless its output must be kept and `pre`
  // lies in scratch.
  const bool keep_act = run.keep && down_.needs_x();
  const View act = keep_pre || keep_act ? run.push(keep_act, n.rows, up_.out()) : kept.pre;
  gelu_forward(run, {.x = kept.pre, .y = act});
  down_.forward(run, act, y, kept.down_site);
}

void Mlp::backward(Run& run, const MixerPass&, const View& dy, const View& dn, bool add_dn,
                   MixerKept& of) const {
  MlpKept& kept = std::get<MlpKept>(of);
  const ArenaScope scope(*run.scratch);
  if (!needs_dpre(static_cast<bool>(dn))) {
    if (down_.trainable()) down_.backward(run, kept.down_site, dy, {});
    return;
  }
  const View d = run.scratch->push(dy.rows, up_.out(), run.activation);
  down_.backward(run, kept.down_site, dy, d);
  gelu_backward(run, {.x = kept.pre, .d = d});
  up_.backward(run, kept.up_site, d, dn, add_dn);
}

}  // namespace falconer
