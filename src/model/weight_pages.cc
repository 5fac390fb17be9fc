#include "model/weight_pages.h"

#include <algorithm>
#include <array>

#include "base/file.h"

namespace falconer {
namespace {

std::span<const std::byte> pages_of(const Param& param) {
  if (!param.mapped) return {};
  return {static_cast<const std::byte*>(param.value.data), param.value.bytes()};
}

std::array<const Param*, 4> matrices(const LayerParams& layer) {
  return {layer.qkv.w, layer.dense.w, layer.up.w, layer.down.w};
}

}  // namespace

void read_layer_ahead(const LayerParams& layer) {
  for (const Param* param : matrices(layer)) read_ahead(pages_of(*param));
}

void forget(const LayerParams& layer) {
  for (const Param* param : matrices(layer)) forget(*param);
}

void forget(const Param& param) { forget_pages(pages_of(param)); }

size_t largest_resident(const Weights& weights) {
  size_t most = std::max(pages_of(*weights.embedding).size(), pages_of(*weights.head.w).size());
  for (const LayerParams& layer : weights.layers) {
    size_t bytes = 0;
    for (const Param* param : matrices(layer)) bytes += pages_of(*param).size();
    most = std::max(most, bytes);
  }
  return most;
}

}  // namespace falconer
