// The feed-forward branch of a block: up, GELU, down.
#pragma once

#include "model/mixer.h"

namespace falconer {

class Mlp : public Mixer {
 public:
  Mlp(const ModelConfig& config, const Weights& weights, int64_t layer);
  static void declare(const ModelConfig& config, int64_t layer, const ModuleVisitor& visit);

  const char* name() const override { return "mlp"; }
  bool mixes_rows() const override { return false; }
  bool trainable() const override { return up_.trainable() || down_.trainable(); }
  bool needs_input() const override { return up_.needs_x(); }
  std::vector<LinearSite*> sites() override { return {&up_, &down_}; }
  MixerCache make_cache(int64_t, int64_t, Dtype, Device*) const override { return {}; }

  /// y = down(gelu(up(n))).
  void forward(Run& run, const MixerPass& pass, const View& n, const View& y, MixerCache* cache,
               bool want_dn, MixerKept& kept) const override;
  void backward(Run& run, const MixerPass& pass, const View& dy, const View& dn, bool add_dn,
                MixerKept& kept) const override;

 private:
  bool needs_dpre(bool want_dn) const { return want_dn || up_.trainable(); }

  LinearSite up_, down_;
};

}  // namespace falconer
