// Keys and values of tokens seen so far, for generation. Grouped heads are stored once per group.
#pragma once

#include <vector>

#include "model/config.h"
#include "model/hooks.h"
#include "tensor/buffer.h"

namespace falconer {

struct LayerCache {
  Tensor k, v;  // (slots * capacity, G * D): sequence s owns rows s * capacity ...
  PrefixCache prefix;
};

class KvCache {
 public:
  KvCache(const ModelConfig& config, int64_t slots, int64_t capacity, Dtype dtype,
          Device* device = nullptr) {
    for (int64_t i = 0; i < config.layers; ++i) {
      LayerCache layer;
      layer.k = Tensor(slots * capacity, config.groups * config.head_size, dtype, device);
      layer.v = Tensor(slots * capacity, config.groups * config.head_size, dtype, device);
      layers_.push_back(std::move(layer));
    }
    capacity_ = capacity;
  }
  LayerCache& layer(int64_t index) { return layers_[static_cast<size_t>(index)]; }
  int64_t capacity() const { return capacity_; }

 private:
  std::vector<LayerCache> layers_;
  int64_t capacity_ = 0;
};

}  // namespace falconer
