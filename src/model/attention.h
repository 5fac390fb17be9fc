// The attention branch of a block: fused q, k, v product, rotation, attention, output product.
#pragma once

#include "model/batch.h"
#include "model/kv_cache.h"
#include "model/site.h"

namespace falconer {

/// What backward needs of one call.
struct AttentionKept {
  View qkv, out, lse, wanted;
  HookKept qkv_site, dense_site;
  PrefixKept prefix;
};

class Attention {
 public:
  Attention(const ModelConfig& config, const LayerParams& params, int64_t layer);

  LinearSite& qkv() { return qkv_; }
  LinearSite& dense() { return dense_; }
  const QkvLayout& layout() const { return layout_; }
  void attach(const AttentionHook* hook) { hook_ = hook; }
  const AttentionHook* hook() const { return hook_; }
  bool trainable() const;
  bool needs_input() const { return qkv_.needs_x(); }

  /// y (R,C) = dense(attention(qkv(n))), for the rows of n (N,C) that `wanted` (1,R) lists; an empty
  /// `wanted` means all. `table` is the rotation's, `alibi` the slopes; either may be empty.
  void forward(Run& run, const Batch& batch, const View& n, const View& wanted, const View& y,
               const View& table, const View& alibi, LayerCache* cache, bool want_dn,
               AttentionKept& kept) const;
  /// dy (R,C) is left as it was. dn (N,C) overwrites, or adds where add_dn; empty: not wanted.
  void backward(Run& run, const Batch& batch, const View& dy, const View& dn, bool add_dn,
                const View& table, const View& alibi, AttentionKept& kept) const;

 private:
  // The gradient of q, k and v is wanted by something before them.
  bool needs_dqkv(bool want_dn) const { return want_dn || qkv_.trainable(); }
  bool needs_dout(bool want_dn) const {
    return needs_dqkv(want_dn) || (hook_ != nullptr && hook_->trainable());
  }
  float scale() const;

  LinearSite qkv_, dense_;
  QkvLayout layout_;
  const AttentionHook* hook_ = nullptr;
};

}  // namespace falconer
