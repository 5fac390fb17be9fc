// OLMo 2: norms behind attention and MLP and none before, and norms of all queries and of all keys.
#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

ModelConfig read_olmo2_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f, {.norm_eps = 1e-5, .own_head_size = false});
  m.norm_before = false;
  m.norm_behind = true;
  m.head_norm = ModelConfig::HeadNorm::kAllHeads;
  m.qkv_bias = m.dense_bias = f.boolean("attention_bias").value_or(false);
  read_token_ids(json, where, m);
  return m;
}

void write_olmo2_config(const ModelConfig& config, nlohmann::json& json) {
  refuse_biases(config, json);
  write_vocabulary(config, json);
}

}  // namespace

const Architecture& olmo2_architecture() {
  static const Architecture made = {.name = "olmo2",
                                    .model_types = {"olmo2"},
                                    .read_config = read_olmo2_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_olmo2_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "Olmo2ForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
