// The feed-forward branch of a block: down(a(up n)), or with a gate down(a(gate n) * up n);
// with factors on the gate and on what it gives, where a family has them.
#pragma once

#include <optional>

#include "model/mixer.h"

namespace falconer {

class Mlp : public Mixer {
 public:
  Mlp(const ModelConfig& config, const Weights& weights, int64_t layer);
  static void declare(const ModelConfig& config, int64_t layer, const ModuleVisitor& visit);

  const char* name() const override { return "mlp"; }
  bool mixes_rows() const override { return false; }
  bool trainable() const override { return learns_before() || down_.trainable(); }
  bool needs_input() const override { return up_.needs_x() || (gate_ && gate_->needs_x()); }
  std::vector<LinearSite*> sites() override;
  MixerCache make_cache(const CacheSize&, Dtype, Device*) const override { return {}; }
  int64_t cache_bytes(Dtype) const override { return 0; }
  int64_t state_bytes(Dtype) const override { return 0; }

  void forward(Run& run, const MixerPass& pass, const View& n, const View& y, MixerCache* cache,
               bool want_dn, MixerKept& kept) const override;
  void backward(Run& run, const MixerPass& pass, const View& dy, const View& dn, bool add_dn,
                MixerKept& kept) const override;

 private:
  bool learns_before() const { return up_.trainable() || (gate_ && gate_->trainable()); }
  bool needs_dpre(bool want_dn) const { return want_dn || learns_before(); }
  int64_t width() const { return down_.in(); }
  // Of `pre` and its gradient. With a gate its columns stand first.
  View gate_of(const View& pre) const { return pre.col_range(0, width()); }
  View up_of(const View& pre) const { return pre.col_range(pre.cols - width(), width()); }
  void activate(Run& run, const View& pre, const View& act) const;

  std::optional<LinearSite> gate_;
  LinearSite up_, down_;  // up_: gate and up where these are one matrix
  bool gated_;
  Activation activation_;
  double gate_scale_, down_scale_;
};

}  // namespace falconer
