// llama.cpp's names of quantised files. Most are mixes: what a tensor is stored as depends on what it is for, on its layer
// and on its model (its llama-quant.cpp, 2026-11). `falconer quantize` writes the same types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/tensor_writer.h"
#include "model/config.h"

namespace falconer {

enum class MixKind : uint8_t {
  kPlain,  // as the others, with no rule of its own
  kQ2K,
  kQ2KS,
  kQ3KM,
  kQ3KL,
  kQ4KS,
  kQ4KM,
  kQ5KM,
  kOfGroups,     // more bits for values that many queries share, and in the first layers
  kGuarded,      // more bits in the first layers, where importances are given
  kAllMatrices,  // none of llama.cpp's: this format in all layers, embedding and head in 8 bits
};

struct GgufMix {
  const char* name;    // "q4_k_m"
  Dtype dtype;         // of most tensors
  uint32_t file_type;  // general.file_type
  MixKind kind = MixKind::kPlain;
  const char* other = "";  // name
};

/// Null: no mix has this name, in capitals or small letters.
const GgufMix* gguf_mix_named(const std::string& name);
/// As they are written, in the order of their bits.
std::vector<std::string> gguf_mix_names();
/// A format for all matrices, embedding and head apart: what export --dtype asks for.
GgufMix gguf_mix_of(Dtype dtype);

/// What matrix `tensor` of layer `layer` (ModuleId::kOutside: of none) is stored as. `importances`: whether errors were
/// weighed by data.
Dtype type_in_mix(const GgufMix& mix, const ModelConfig& config, const TensorSpec& tensor,
                  int64_t layer, bool importances);

}  // namespace falconer
