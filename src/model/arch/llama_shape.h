// What the families of LLaMA's shape have in common: norms by the root mean square, attention then MLP,
// gated MLPs, matrices under names that hardly differ.
#pragma once

#include "model/arch/architecture.h"
#include "model/arch/json_fields.h"

namespace falconer {

/// What transformers' class of a family takes where a config.json does not say.
struct LlamaDefaults {
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
  double norm_eps = 1e-6;
  int64_t context = 2048;
  int64_t head_size = 0;  // 0: the width over the heads
  bool tied_head = false;
};

/// Sizes, norms, rotation, MLP and ids. Errors: sizes or settings that cannot be, an activation that is not
/// supported.
ModelConfig read_llama_shape(const ConfigFields& f, const LlamaDefaults& defaults = {});
/// Error: the attention or MLP of a file has a setting that is on and not supported here.
void refuse_set(const ConfigFields& f, std::initializer_list<const char*> switches);

/// "model.layers.0.self_attn.q_proj" and so on, for whatever of these a family has.
ModuleNames llama_names(const ModelConfig& config);
bool llama_ignores(std::string_view tensor);
void write_llama_config(const ModelConfig& config, nlohmann::json& json);

const Architecture& llama_architecture();

}  // namespace falconer
