// What the mixers remember of tokens seen so far, for generation.
#pragma once

#include <vector>

#include "model/hooks.h"
#include "tensor/buffer.h"

namespace falconer {

/// Rows of keys and values, and sequences that have a state.
struct CacheSize {
  int64_t rows = 0, sequences = 0;
};

/// One mixer's. Of attention: keys and values, of grouped heads once per group. Of a state space mixer: what each
/// sequence carries on.
struct MixerCache {
  Tensor
      k = {},
      v = {};  // (pages * kPageRows, G * D): page p is rows p * kPageRows and on (ops/attention.h)
  Tensor states = {}, tails = {};  // (sequences, ...): ops/scan.h, ops/conv1d.h
};

/// Of each block's mixers, in their order.
using BlockCache = std::vector<MixerCache>;

class Decoder;

/// Pages of keys and values, of all layers. Whose a page is, and which sequences share it, is another's to know
/// (generate/page_table.h).
class KvCache {
 public:
  /// `sequences`: how many have a state at the same time, of models whose mixers have one (state_bytes()).
  KvCache(const Decoder& decoder, int64_t pages, Dtype dtype, Device* device = nullptr,
          int64_t sequences = 0);
  BlockCache& layer(int64_t index) { return layers_[static_cast<size_t>(index)]; }
  int64_t pages() const { return pages_; }
  /// Of all layers.
  void copy_state(Run& run, int64_t from, int64_t to);
  /// What a page takes, of all layers.
  static int64_t page_bytes(const Decoder& decoder, Dtype dtype);
  /// What the state of a sequence takes, of all layers; 0: keys and values are all that these mixers remember.
  static int64_t state_bytes(const Decoder& decoder, Dtype dtype);

 private:
  std::vector<BlockCache> layers_;
  int64_t pages_ = 0;
};

}  // namespace falconer
