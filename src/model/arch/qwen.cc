// Qwen 2 and 2.5, with biases of queries, keys and values; Qwen 3, with norms of their heads.
#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

// Windows, where they are used, from a layer on.
void read_qwen_windows(const ConfigFields& f, ModelConfig& m) {
  if (!f.boolean("use_sliding_window").value_or(false)) return;
  const int64_t window = f.whole("sliding_window", kContexts).value_or(4096);
  const int64_t first = f.whole("max_window_layers", {0, kLayerCounts.most}).value_or(28);
  m.windows = read_windows(f, m.layers, window, [&](int64_t layer) { return layer >= first; });
}

ModelConfig read_qwen2_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f, {.context = 32768, .own_head_size = false});
  m.qkv_bias = true;
  read_qwen_windows(f, m);
  read_token_ids(json, where, m);
  return m;
}

ModelConfig read_qwen3_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f, {.context = 32768, .head_size = 128});
  m.head_norm = ModelConfig::HeadNorm::kEachHead;
  m.qkv_bias = m.dense_bias = f.boolean("attention_bias").value_or(false);
  read_qwen_windows(f, m);
  read_token_ids(json, where, m);
  return m;
}

void write_qwen_config(const ModelConfig& config, nlohmann::json& json) {
  refuse_biases(config, json);
  write_vocabulary(config, json);
}

}  // namespace

const Architecture& qwen2_architecture() {
  static const Architecture made = {.name = "qwen2",
                                    .model_types = {"qwen2"},
                                    .read_config = read_qwen2_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_qwen_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "Qwen2ForCausalLM");
                                    }};
  return made;
}

const Architecture& qwen3_architecture() {
  static const Architecture made = {.name = "qwen3",
                                    .model_types = {"qwen3"},
                                    .read_config = read_qwen3_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_qwen_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "Qwen3ForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
