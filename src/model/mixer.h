// What stands in a block between a norm and the sum: attention, an MLP, and whatever else turns the normed
// rows into what is added.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "model/batch.h"
#include "model/kv_cache.h"
#include "model/norm.h"
#include "model/site.h"

namespace falconer {

/// What all blocks share.
struct BlockTables {
  View rope;         // (positions, R), empty without rotation
  View rope_rows;    // (1,N) i32: the row of `rope` for each token, where that is not its position
  View window_rope;  // of layers with a window, where theirs is another
  View alibi;        // (1,H), empty without ALiBi
};

/// What a mixer is given of a pass beside its input. `wanted` (1,R) lists the rows of the input of which the
/// output is wanted; empty: all.
struct MixerPass {
  const Batch& batch;
  View wanted;
  const BlockTables& tables;
};

/// What backward needs of one call.
struct AttentionKept {
  View qkv, out, lse;
  View qk, q_stats, k_stats;  // normed queries and keys, where there are such norms
  QkvKept qkv_sites;
  HookKept dense_site;
  PrefixKept prefix;
};
struct MlpKept {
  View pre;  // before the activation; gate and up beside each other
  HookKept gate_site, up_site, down_site;
};
struct SsmKept {
  View projected;      // z, x, B, C and dt, with their factors
  View mixed;          // x, B and C behind the convolution
  View scanned, gate;  // what the scan gave, of the wanted rows; z of these where they are not all
  NormKept norm;
  HookKept in_site, out_site;
};
using MixerKept = std::variant<std::monostate, AttentionKept, MlpKept, SsmKept>;

class Mixer {
 public:
  virtual ~Mixer() = default;
  /// "attention": in dumps and profiles.
  virtual const char* name() const = 0;
  /// Whether a row of the output depends on other rows than its own. One that does is given all rows, and
  /// `wanted`; another is given the wanted rows alone.
  virtual bool mixes_rows() const = 0;
  virtual bool trainable() const = 0;
  /// The backward reads n: keep it.
  virtual bool needs_input() const = 0;
  /// Its linear layers, in the order of declaration.
  virtual std::vector<LinearSite*> sites() = 0;
  virtual MixerCache make_cache(const CacheSize& size, Dtype dtype, Device* device) const = 0;
  /// What make_cache() takes of memory for a row, and for a sequence.
  virtual int64_t cache_bytes(Dtype dtype) const = 0;
  virtual int64_t state_bytes(Dtype dtype) const = 0;

  /// y (R,C) from n (N,C). Of an empty y only what backward reads is made. want_dn: the backward will be
  /// asked for dn. `cache`: null while training.
  virtual void forward(Run& run, const MixerPass& pass, const View& n, const View& y,
                       MixerCache* cache, bool want_dn, MixerKept& kept) const = 0;
  /// dy (R,C) is left as it was. dn (N,C) overwrites, or adds where add_dn; empty: not wanted.
  virtual void backward(Run& run, const MixerPass& pass, const View& dy, const View& dn,
                        bool add_dn, MixerKept& kept) const = 0;
};

}  // namespace falconer
