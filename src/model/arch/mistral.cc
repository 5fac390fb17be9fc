// Mistral 7B and what was made in its shape: LLaMA's, with a window in every layer where the file has one.
#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

ModelConfig read_mistral_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f, {.context = 131072});
  m.groups = f.whole("num_key_value_heads", kHeadCounts).value_or(8);
  m.windows = read_window_of_all(f, m.layers);
  read_token_ids(json, where, m);
  return m;
}

void write_mistral_config(const ModelConfig& config, nlohmann::json& json) {
  refuse_biases(config, json);
  write_vocabulary(config, json);
}

}  // namespace

const Architecture& mistral_architecture() {
  static const Architecture made = {.name = "mistral",
                                    .model_types = {"mistral"},
                                    .read_config = read_mistral_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_mistral_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "MistralForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
