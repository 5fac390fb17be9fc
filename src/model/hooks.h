// The three points at which a finetuning method enters the decoder. The decoder calls these and knows
// no method.
#pragma once

#include <array>

#include "ops/heads.h"
#include "ops/run.h"

namespace falconer {

class QkvProjection;
struct Batch;

/// What one call of a hook keeps for its backward, in the arena that run.store() names. It belongs
/// to the call, not to the site: an adapter's prompt runs the same product twice in a layer.
struct HookKept {
  View x;        // the site's input, where needs_x()
  View a, b, c;  // the hook's own
};

/// At a linear layer. The order of a backward is: backward_out, the products of the site,
/// backward_in.
class LinearHook {
 public:
  virtual ~LinearHook() = default;
  /// Has tensors with gradients.
  virtual bool trainable() const = 0;
  /// Wants the site's input kept: kept.x is set to it before forward.
  virtual bool needs_x() const = 0;
  /// backward_out changes dy, so the site gives it a copy where dy is used again.
  virtual bool edits_dy() const = 0;
  /// y (N,M) holds x W' + b on entry and is edited in place.
  virtual void forward(Run& run, const View& x, const View& y, HookKept& kept) const = 0;
  /// Always called: adds the own gradients, then turns dy into the gradient of x W' + b. Own
  /// gradients never wait for backward_in, which is not called where nobody wants dx.
  virtual void backward_out(Run& run, const View& dy, HookKept& kept) const = 0;
  /// dx holds the product's share; adds the hook's own.
  virtual void backward_in(Run& run, const View& dx, HookKept& kept) const = 0;
};

/// Of the projection to queries, keys and values: at each of its sites.
struct QkvKept {
  std::array<HookKept, 3> sites;
};

/// What one call of an attention hook keeps.
struct PrefixKept {
  View input, qkv;
  QkvKept sites;
};

/// A prompt's keys and values, computed once for as long as its adapter stays as it is (AdapterParts). While training
/// there is none, so nothing can go stale.
struct PrefixCache {
  Tensor qkv;
};

/// Beside the causal attention of a layer.
class AttentionHook {
 public:
  virtual ~AttentionHook() = default;
  virtual bool trainable() const = 0;
  /// Adds to out (N, H*D). q is rotated already. `cache`: null, or of this hook.
  virtual void forward(Run& run, const QkvProjection& qkv, const Heads& q, const View& out,
                       PrefixKept& kept, PrefixCache* cache) const = 0;
  /// Writes dq (its share), corrects delta (see ops/prefix_attention.h), adds the own gradients.
  virtual void backward(Run& run, const QkvProjection& qkv, const Heads& q, const View& dout,
                        const View& delta, const Heads& dq, PrefixKept& kept) const = 0;
};

/// At the embedding, of which some rows may learn while the others stay.
class EmbeddingHook {
 public:
  virtual ~EmbeddingHook() = default;
  /// Has rows of the embedding with gradients.
  virtual bool trainable() const = 0;
  /// Before any row of the pass is read, of the embedding or of the head.
  virtual void before(Run& run) const = 0;
  /// dx (N,C) is the gradient of what the embedding gave for the batch's ids: adds the own gradients.
  virtual void backward(Run& run, const Batch& batch, const View& dx) const = 0;
};

}  // namespace falconer
