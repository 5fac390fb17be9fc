// The feed-forward branch of a block: up, GELU, down.
#pragma once

#include "model/site.h"

namespace falconer {

struct MlpKept {
  View pre;  // before GELU
  HookKept up_site, down_site;
};

class Mlp {
 public:
  Mlp(const LayerParams& params, int64_t layer)
      : up_(params.up, static_cast<int32_t>(4 * layer + 2)),
        down_(params.down, static_cast<int32_t>(4 * layer + 3)) {}

  LinearSite& up() { return up_; }
  LinearSite& down() { return down_; }
  bool trainable() const { return up_.trainable() || down_.trainable(); }
  bool needs_input() const { return up_.needs_x(); }

  /// y (N,C) = down(gelu(up(n))).
  void forward(Run& run, const View& n, const View& y, bool want_dn, MlpKept& kept) const;
  /// dn (N,C) overwrites; empty: not wanted. dy is left as it was.
  void backward(Run& run, const View& dy, const View& dn, MlpKept& kept) const;

 private:
  bool needs_dpre(bool want_dn) const { return want_dn || up_.trainable(); }

  LinearSite up_, down_;
};

}  // namespace falconer
