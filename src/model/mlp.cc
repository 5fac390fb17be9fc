#include "model/mlp.h"

#include "ops/gelu.h"

namespace falconer {

void Mlp::forward(Run& run, const View& n, const View& y, bool want_dn, MlpKept& kept) const {
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

void Mlp::backward(Run& run, const View& dy, const View& dn, MlpKept& kept) const {
  const ArenaScope scope(*run.scratch);
  if (!needs_dpre(static_cast<bool>(dn))) {
    if (down_.trainable()) down_.backward(run, kept.down_site, dy, {});
    return;
  }
  const View d = run.scratch->push(dy.rows, up_.out(), run.activation);
  down_.backward(run, kept.down_site, dy, d);
  gelu_backward(run, {.x = kept.pre, .d = d});
  up_.backward(run, kept.up_site, d, dn);
}

}  // namespace falconer
