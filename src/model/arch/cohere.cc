// Command R: attention and MLP side by side behind one layer norm without a bias, pairs of neighbours rotated,
// logits scaled.
#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

ModelConfig read_cohere_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  refuse_set(f, {"use_qk_norm"});
  ModelConfig m =
      read_llama_shape(f, {.context = 8192, .tied_head = true, .rope = {.base = 500000}});
  m.parallel = m.shared_norm = true;
  m.norm = ModelConfig::NormKind::kLayer;
  m.norm_bias = false;
  m.norm_eps = f.real("layer_norm_eps", kNormEpsilons).value_or(1e-5);
  m.rope_interleaved = true;
  m.logit_scale =
      f.real("logit_scale", {.least = 0, .most = 1e6, .open_least = true}).value_or(0.0625);
  m.qkv_bias = m.dense_bias = f.boolean("attention_bias").value_or(false);
  read_token_ids(json, where, m);
  return m;
}

void write_cohere_config(const ModelConfig& config, nlohmann::json& json) {
  refuse_biases(config, json);
  write_vocabulary(config, json);
}

}  // namespace

const Architecture& cohere_architecture() {
  static const Architecture made = {.name = "cohere",
                                    .model_types = {"cohere"},
                                    .read_config = read_cohere_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_cohere_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "CohereForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
