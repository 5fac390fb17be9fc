// LLaMA 1 to 3 and what was made in its shape: Falcon3, Vicuna, TinyLlama, OpenLLaMA, SmolLM2 and many more.
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

ModelConfig read_llama_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f);
  m.qkv_bias = m.dense_bias = f.boolean("attention_bias").value_or(false);
  m.mlp_bias = f.boolean("mlp_bias").value_or(false);
  read_token_ids(json, where, m);
  return m;
}

void write_llama_config(const ModelConfig& config, nlohmann::json& json) {
  write_vocabulary(config, json);
  json["attention_bias"] = config.qkv_bias;
  json["mlp_bias"] = config.mlp_bias;
}

}  // namespace

const Architecture& llama_architecture() {
  static const Architecture made = {.name = "llama",
                                    .model_types = {"llama"},
                                    .read_config = read_llama_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_llama_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "LlamaForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
