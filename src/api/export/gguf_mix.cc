#include "api/export/gguf_mix.h"

#include <algorithm>
#include <string_view>

#include "base/small_letters.h"
#include "model/arch/gguf_config.h"
#include "model/modules.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

constexpr GgufMix kMixes[] = {
    {"q2_k_s", Dtype::kQ2_K, 21, MixKind::kQ2KS},
    {"q2_k", Dtype::kQ2_K, 10, MixKind::kQ2K},
    {"q3_k_s", Dtype::kQ3_K, 11},
    {"q3_k_m", Dtype::kQ3_K, 12, MixKind::kQ3KM, "q3_k"},
    {"q3_k_l", Dtype::kQ3_K, 13, MixKind::kQ3KL},
    {"mxfp4", Dtype::kMXFP4, 38, MixKind::kAllMatrices},
    {"iq4_nl", Dtype::kIQ4_NL, 25, MixKind::kOfGroups},
    {"q4_0", Dtype::kQ4_0, 2, MixKind::kGuarded},
    {"q4_k_s", Dtype::kQ4_K, 14, MixKind::kQ4KS},
    {"q4_k_m", Dtype::kQ4_K, 15, MixKind::kQ4KM, "q4_k"},
    {"q4_1", Dtype::kQ4_1, 3},
    {"q5_0", Dtype::kQ5_0, 8, MixKind::kGuarded},
    {"q5_k_s", Dtype::kQ5_K, 16},
    {"q5_k_m", Dtype::kQ5_K, 17, MixKind::kQ5KM, "q5_k"},
    {"q5_1", Dtype::kQ5_1, 9},
    {"q6_k", Dtype::kQ6_K, 18},
    {"q8_0", Dtype::kQ8_0, 7},
};

/// A matrix, and what its mix asks of it.
class MixedTensor {
 public:
  MixedTensor(const GgufMix& mix, const ModelConfig& config, const TensorSpec& tensor,
              int64_t layer, bool importances)
      : mix_(mix),
        config_(config),
        tensor_(tensor),
        layer_(layer),
        importances_(importances),
        architecture_(gguf_architecture(config)),
        falcon_(architecture_ == "falcon") {}

  Dtype type() const {
    const std::string& name = tensor_.name;
    const auto is = [&](const char* part) { return name.find(part) != std::string::npos; };
    if (mix_.kind == MixKind::kAllMatrices)
      return layer_ == ModuleId::kOutside ? Dtype::kQ8_0 : mix_.dtype;
    const bool tied = config_.tied_head && !gguf_has_head(config_);
    if (name == "output.weight" || (tied && name == "token_embd.weight")) return head();
    if (is("attn_v.") || is("attn_qkv.")) return values();
    if (is("ffn_down.")) return down();
    if (is("attn_output.")) return attention_output();
    return mix_.dtype;
  }

 private:
  /// The first and the last eighth of the layers, and every third between.
  bool has_more_bits() const {
    const int64_t eighth = config_.layers / 8;
    return layer_ < eighth || layer_ >= 7 * config_.layers / 8 || (layer_ - eighth) % 3 == 2;
  }
  bool in_first(int64_t part) const { return layer_ < config_.layers / part; }
  bool shared_by_many() const { return config_.per_group() >= 4; }
  /// LLaMA 2 70B and its kin, by their number of layers.
  bool like_70b() const {
    return config_.layers == 80 &&
           (architecture_ == "qwen2" || (architecture_ == "llama" && config_.per_group() > 1));
  }

  Dtype head() const {
    if (falcon_ || tensor_.shape[1] % block_of(mix_.dtype) != 0) return Dtype::kQ8_0;
    return mix_.dtype == Dtype::kQ8_0 ? Dtype::kQ8_0 : Dtype::kQ6_K;
  }

  Dtype values() const {
    const Dtype type = values_by_kind();
    const bool few = type == Dtype::kQ3_K || type == Dtype::kQ4_K;
    return like_70b() && few ? Dtype::kQ5_K : type;
  }

  Dtype values_by_kind() const {
    switch (mix_.kind) {
      case MixKind::kQ2K:
        return shared_by_many() ? Dtype::kQ4_K : Dtype::kQ3_K;
      case MixKind::kQ2KS:
        return shared_by_many() ? Dtype::kQ4_K : mix_.dtype;
      case MixKind::kOfGroups:
        return shared_by_many() ? Dtype::kQ5_K : mix_.dtype;
      case MixKind::kQ3KM:
        return layer_ < 2 ? Dtype::kQ5_K : Dtype::kQ4_K;
      case MixKind::kQ3KL:
        return Dtype::kQ5_K;
      case MixKind::kQ4KS:
        return layer_ < 4 ? Dtype::kQ5_K : mix_.dtype;
      case MixKind::kQ4KM:
      case MixKind::kQ5KM:
        return has_more_bits() ? Dtype::kQ6_K : mix_.dtype;
      default:
        return mix_.dtype;
    }
  }

  Dtype down() const {
    switch (mix_.kind) {
      case MixKind::kQ2K:
        return Dtype::kQ3_K;
      case MixKind::kQ2KS:
        return in_first(8) ? Dtype::kQ4_K : mix_.dtype;
      case MixKind::kOfGroups:
        return in_first(8) && !importances_ ? Dtype::kQ5_K : mix_.dtype;
      case MixKind::kQ3KM:
        if (in_first(16)) return Dtype::kQ5_K;
        return !falcon_ || has_more_bits() ? Dtype::kQ4_K : mix_.dtype;
      case MixKind::kQ3KL:
        return falcon_ ? Dtype::kQ4_K : Dtype::kQ5_K;
      case MixKind::kQ4KS:
        return !falcon_ && in_first(8) ? Dtype::kQ5_K : mix_.dtype;
      case MixKind::kQ4KM:
        if (falcon_ && !in_first(16)) return has_more_bits() ? Dtype::kQ5_K : mix_.dtype;
        return has_more_bits() ? Dtype::kQ6_K : mix_.dtype;
      case MixKind::kQ5KM:
        return has_more_bits() ? Dtype::kQ6_K : mix_.dtype;
      case MixKind::kGuarded:
        if (!importances_ || !in_first(8)) return mix_.dtype;
        return mix_.dtype == Dtype::kQ4_0 ? Dtype::kQ4_1 : Dtype::kQ5_1;
      default:
        return mix_.dtype;
    }
  }

  Dtype attention_output() const {
    if (mix_.kind == MixKind::kQ3KL) return falcon_ ? Dtype::kQ4_K : Dtype::kQ5_K;
    if (falcon_) return mix_.dtype;
    if (mix_.kind == MixKind::kQ2K) return Dtype::kQ3_K;
    return mix_.kind == MixKind::kQ3KM ? Dtype::kQ4_K : mix_.dtype;
  }

  const GgufMix& mix_;
  const ModelConfig& config_;
  const TensorSpec& tensor_;
  const int64_t layer_;
  const bool importances_;
  const std::string_view architecture_;
  const bool falcon_;
};

}  // namespace

const GgufMix* gguf_mix_named(const std::string& name) {
  const std::string small = small_letters(name);
  const auto found = std::find_if(std::begin(kMixes), std::end(kMixes), [&](const GgufMix& mix) {
    return small == mix.name || (small == mix.other && !small.empty());
  });
  return found == std::end(kMixes) ? nullptr : found;
}

std::vector<std::string> gguf_mix_names() {
  std::vector<std::string> names;
  for (const GgufMix& mix : kMixes) names.emplace_back(mix.name);
  return names;
}

GgufMix gguf_mix_of(Dtype dtype) {
  GgufMix all{name_of(dtype).data(), dtype, 0, MixKind::kAllMatrices};
  // The number of the mix that has the least besides, which comes first.
  for (const GgufMix& mix : kMixes)
    if (mix.dtype == dtype && mix.kind != MixKind::kQ2KS) {
      all.file_type = mix.file_type;
      break;
    }
  return all;
}

Dtype type_in_mix(const GgufMix& mix, const ModelConfig& config, const TensorSpec& tensor,
                  int64_t layer, bool importances) {
  const Dtype wanted = MixedTensor(mix, config, tensor, layer, importances).type();
  return fitting_format(wanted, tensor.shape[1]).value_or(Dtype::kF16);
}

}  // namespace falconer
