// StarCoder 2: layer norms and biases, an MLP without a gate, GELU by tanh.
#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

ModelConfig read_starcoder2_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m =
      read_llama_shape(f, {.activation = "gelu_pytorch_tanh", .context = 4096, .tied_head = true});
  m.groups = f.whole("num_key_value_heads", kHeadCounts).value_or(2);
  m.norm = ModelConfig::NormKind::kLayer;
  m.norm_eps = f.real("norm_epsilon", kNormEpsilons).value_or(1e-5);
  m.mlp = ModelConfig::MlpKind::kPlain;
  if (m.activation == Activation::kSilu)
    fail("{}: the activation \"silu\" is not supported without a gate", where);
  m.set_biases(f.boolean("use_bias").value_or(true));
  m.windows = read_window_of_all(f, m.layers);
  read_token_ids(json, where, m);
  return m;
}

ModuleNames starcoder2_names(const ModelConfig& config) {
  ModuleNames names = llama_names(config);
  names.of_role[Role::kUp] = "mlp.c_fc";
  names.of_role[Role::kDown] = "mlp.c_proj";
  return names;
}

void write_starcoder2_config(const ModelConfig& config, nlohmann::json& json) {
  write_vocabulary(config, json);
  json["use_bias"] = config.bias();
}

}  // namespace

const Architecture& starcoder2_architecture() {
  static const Architecture made = {.name = "starcoder2",
                                    .model_types = {"starcoder2"},
                                    .read_config = read_starcoder2_config,
                                    .names = starcoder2_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_starcoder2_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "Starcoder2ForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
