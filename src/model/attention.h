// The attention branch of a block: queries, keys and values, norms of heads, rotation, attention, output
// product.
#pragma once

#include <optional>

#include "model/mixer.h"
#include "model/norm.h"
#include "model/qkv_projection.h"

namespace falconer {

class Attention : public Mixer {
 public:
  Attention(const ModelConfig& config, const Weights& weights, int64_t layer);
  static void declare(const ModelConfig& config, int64_t layer, const ModuleVisitor& visit);

  QkvProjection& qkv() { return qkv_; }
  LinearSite& dense() { return dense_; }
  void attach(const AttentionHook* hook) { hook_ = hook; }
  const AttentionHook* hook() const { return hook_; }

  const char* name() const override { return "attention"; }
  bool mixes_rows() const override { return true; }
  bool trainable() const override;
  bool needs_input() const override { return qkv_.needs_x() && in_scale_ == 1; }
  std::vector<LinearSite*> sites() override;
  MixerCache make_cache(const CacheSize& size, Dtype dtype, Device* device) const override;
  int64_t cache_bytes(Dtype dtype) const override;
  int64_t state_bytes(Dtype) const override { return 0; }

  /// y = dense(attention(qkv(n))), with the factors of ModelConfig.
  void forward(Run& run, const MixerPass& pass, const View& n, const View& y, MixerCache* cache,
               bool want_dn, MixerKept& kept) const override;
  void backward(Run& run, const MixerPass& pass, const View& dy, const View& dn, bool add_dn,
                MixerKept& kept) const override;

 private:
  // The gradient of q, k and v is wanted by something before them.
  bool needs_dqkv(bool want_dn) const;
  bool needs_dout(bool want_dn) const {
    return needs_dqkv(want_dn) || (hook_ != nullptr && hook_->trainable());
  }
  /// Queries and keys as they are scored: those of the projection, or normed ones beside it.
  struct Scored {
    Heads q, k;
  };
  Scored scored(const View& qkv, const View& qk) const;
  void rotate(Run& run, const MixerPass& pass, const Heads& x, bool inverse) const;
  const View& rope_of(const BlockTables& tables) const {
    return own_rope_ ? tables.window_rope : tables.rope;
  }

  QkvProjection qkv_;
  LinearSite dense_;
  std::optional<HeadNorm> q_norm_, k_norm_;
  int64_t window_;
  bool own_rope_;  // that of the layers with a window
  bool interleaved_;
  double in_scale_, out_scale_;
  const AttentionHook* hook_ = nullptr;
};

}  // namespace falconer
