// StableLM 2 and 3B: layer norms, gated MLPs, a part of each head rotated.
#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

ModelConfig read_stablelm_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  refuse_set(f, {"qk_layernorm"});
  ModelConfig m =
      read_llama_shape(f, {.context = 4096,
                           .own_head_size = false,
                           .rope = {.share_key = "partial_rotary_factor", .share = 0.25}});
  m.norm = ModelConfig::NormKind::kLayer;
  m.norm_eps = f.real("layer_norm_eps", kNormEpsilons).value_or(1e-5);
  m.qkv_bias = f.boolean("use_qkv_bias").value_or(false);
  m.parallel = m.shared_norm = f.boolean("use_parallel_residual").value_or(false);
  read_token_ids(json, where, m);
  return m;
}

void write_stablelm_config(const ModelConfig& config, nlohmann::json& json) {
  refuse_biases(config, json);
  write_vocabulary(config, json);
}

}  // namespace

const Architecture& stablelm_architecture() {
  static const Architecture made = {.name = "stablelm",
                                    .model_types = {"stablelm"},
                                    .read_config = read_stablelm_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_stablelm_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "StableLmForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
