// What the mixers remember of tokens seen so far, for generation.
#pragma once

#include <vector>

#include "model/hooks.h"
#include "tensor/buffer.h"

namespace falconer {

/// One mixer's. Of attention: keys and values, of grouped heads once per group.
struct MixerCache {
  Tensor k, v;  // (slots * capacity, G * D): sequence s owns rows s * capacity ...
  PrefixCache prefix;
};

/// Of each block's mixers, in their order.
using BlockCache = std::vector<MixerCache>;

class Decoder;

class KvCache {
 public:
  KvCache(const Decoder& decoder, int64_t slots, int64_t capacity, Dtype dtype,
          Device* device = nullptr);
  BlockCache& layer(int64_t index) { return layers_[static_cast<size_t>(index)]; }
  int64_t capacity() const { return capacity_; }

 private:
  std::vector<BlockCache> layers_;
  int64_t capacity_ = 0;
};

}  // namespace falconer
