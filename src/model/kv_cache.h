// What the mixers remember of tokens seen so far, for generation.
#pragma once

#include <vector>

#include "model/hooks.h"
#include "tensor/buffer.h"

namespace falconer {

/// One mixer's. Of attention: keys and values, of grouped heads once per group.
struct MixerCache {
  Tensor k, v;  // (pages * kPageRows, G * D): page p is rows p * kPageRows and on (ops/attention.h)
};

/// Of each block's mixers, in their order.
using BlockCache = std::vector<MixerCache>;

class Decoder;

/// Pages of keys and values, of all layers. Whose a page is, and which sequences share it, is another's to know
/// (generate/page_table.h).
class KvCache {
 public:
  KvCache(const Decoder& decoder, int64_t pages, Dtype dtype, Device* device = nullptr);
  BlockCache& layer(int64_t index) { return layers_[static_cast<size_t>(index)]; }
  int64_t pages() const { return pages_; }
  /// What a page takes, of all layers.
  static int64_t page_bytes(const Decoder& decoder, Dtype dtype);

 private:
  std::vector<BlockCache> layers_;
  int64_t pages_ = 0;
};

}  // namespace falconer
