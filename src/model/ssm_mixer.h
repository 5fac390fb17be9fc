// The state space branch of a block (Mamba-2, as Falcon-H1 has it): one product for gate, x, B, C and time steps, a
// convolution, the scan, the gate, a norm where there is one, output product.
#pragma once

#include <optional>

#include "model/mixer.h"
#include "model/norm.h"

namespace falconer {

class SsmMixer : public Mixer {
 public:
  SsmMixer(const ModelConfig& config, const Weights& weights, int64_t layer);
  static void declare(const ModelConfig& config, int64_t layer, const ModuleVisitor& visit);

  const char* name() const override { return "ssm"; }
  bool mixes_rows() const override { return true; }
  bool trainable() const override { return needs_dscanned(false) || out_.trainable(); }
  bool needs_input() const override { return in_.needs_x() && shape_.in_scale == 1; }
  std::vector<LinearSite*> sites() override { return {&in_, &out_}; }
  MixerCache make_cache(const CacheSize& size, Dtype dtype, Device* device) const override;
  int64_t cache_bytes(Dtype) const override { return 0; }
  int64_t state_bytes(Dtype dtype) const override;

  /// y = out(norm(scan(conv(in n)) silu(z))) with the factors of SsmConfig.
  void forward(Run& run, const MixerPass& pass, const View& n, const View& y, MixerCache* cache,
               bool want_dn, MixerKept& kept) const override;
  void backward(Run& run, const MixerPass& pass, const View& dy, const View& dn, bool add_dn,
                MixerKept& kept) const override;

 private:
  /// The gradient of what in_ gives is wanted; that of what the scan gives, and of the gated rows.
  bool needs_dprojected(bool want_dn) const;
  bool needs_dscanned(bool want_dn) const {
    return needs_dprojected(want_dn) || (norm_ && norm_->trainable());
  }
  /// Columns of what in_ gives, or of its gradient.
  View gate_of(const View& projected) const { return projected.col_range(0, shape_.width()); }
  View conv_of(const View& projected) const {
    return projected.col_range(shape_.width(), shape_.conv_rows());
  }
  View time_of(const View& projected) const {
    return projected.col_range(shape_.width() + shape_.conv_rows(), shape_.heads);
  }
  /// Of what the convolution gives.
  View x_of(const View& mixed) const { return mixed.col_range(0, shape_.width()); }
  View b_of(const View& mixed) const {
    return mixed.col_range(shape_.width(), shape_.group_rows());
  }
  View c_of(const View& mixed) const {
    return mixed.col_range(shape_.width() + shape_.group_rows(), shape_.group_rows());
  }
  void scale_parts(Run& run, const View& projected) const;
  View gated_forward_of(Run& run, const View& gate, const View& scanned, bool want_dscanned,
                        SsmKept& kept) const;
  void scan_backward_of(Run& run, const MixerPass& pass, const View& dscanned, const View& dmixed,
                        const View& dtime, const SsmKept& kept) const;
  void projected_backward(Run& run, const MixerPass& pass, const View& dgated,
                          const View& dprojected, SsmKept& kept) const;

  SsmConfig shape_;
  LinearSite in_, out_;
  const Module* conv_;
  const Param *decay_, *skip_, *time_bias_;
  std::optional<Norm> norm_;
};

}  // namespace falconer
