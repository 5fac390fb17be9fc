// Phi-3 and Phi-4: queries, keys and values in one matrix, gate and up in another.
#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

ModelConfig read_phi3_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f, {.norm_eps = 1e-5,
                                       .context = 4096,
                                       .own_head_size = false,
                                       .rope = {.share_key = "partial_rotary_factor"}});
  const RopeType type = m.rope_scaling.type;
  if (type != RopeType::kDefault && type != RopeType::kLongRope && type != RopeType::kYarn)
    fail("{}: positions of Phi models are scaled by \"longrope\" alone, and this says another",
         where);
  if (type == RopeType::kYarn) m.rope_scaling.type = RopeType::kLongRope;  // its first name
  m.qkv = ModelConfig::Qkv::kByPart;
  m.mlp = ModelConfig::MlpKind::kGatedInOne;
  m.windows = read_window_of_all(f, m.layers);
  read_token_ids(json, where, m);
  return m;
}

void write_phi3_config(const ModelConfig& config, nlohmann::json& json) {
  refuse_biases(config, json);
  write_vocabulary(config, json);
}

}  // namespace

const Architecture& phi3_architecture() {
  static const Architecture made = {
      .name = "phi3",
      .model_types = {"phi3"},
      .read_config = read_phi3_config,
      .names = llama_names,
      .ignores = llama_ignores,
      .write_config = write_phi3_config,
      .config_json =
          [](const ModelConfig& config) { return llama_config_json(config, "Phi3ForCausalLM"); },
      .reads_again = true};
  return made;
}

}  // namespace falconer
