// What the families of LLaMA's shape have in common: norms by the root mean square, attention then MLP,
// gated MLPs, matrices under names that hardly differ.
#pragma once

#include <functional>
#include <initializer_list>

#include "model/arch/architecture.h"
#include "model/arch/json_fields.h"
#include "model/arch/rope_settings.h"

namespace falconer {

/// What transformers' class of a family takes where a config.json does not say.
struct LlamaDefaults {
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
  double norm_eps = 1e-6;
  int64_t context = 2048;
  int64_t head_size = 0;  // 0: the width over the heads
  bool tied_head = false;
  bool own_head_size = true;  // "head_dim" counts
  RopeDefaults rope = {};
};

/// Sizes, norms, rotation, MLP and ids. Errors: sizes or settings that cannot be, an activation that is not
/// supported.
ModelConfig read_llama_shape(const ConfigFields& f, const LlamaDefaults& defaults = {});
/// "layer_types", which is one for each of the `layers` where it is there. Errors: it is not; it names others than
/// full and sliding attention.
std::vector<std::string> layer_types(const ConfigFields& f, int64_t layers);
/// The same errors, for families without windows.
inline void refuse_layer_types(const ConfigFields& f, int64_t layers) { layer_types(f, layers); }
/// One window in every layer, of families whose class does not look at "layer_types" (a warning says so).
std::vector<int64_t> read_window_of_all(const ConfigFields& f, int64_t layers);
/// The window of every layer. By "layer_types", or where that is missing by `slides`; none where `window`
/// is 0. Error: "layer_types" names others than full and sliding attention, or is not one for each layer.
std::vector<int64_t> read_windows(const ConfigFields& f, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides);
/// Error: a switch of the file is on that is not supported.
void refuse_set(const ConfigFields& f, std::initializer_list<const char*> switches);
/// Error: biases that the model's config.json did not have, and for which the family's transformers class has
/// no place: a merged Adapter v2's.
void refuse_biases(const ModelConfig& config, const nlohmann::json& json);

/// "model.layers.0.self_attn.q_proj" and so on, for whatever of these a family has.
ModuleNames llama_names(const ModelConfig& config);
bool llama_ignores(std::string_view tensor);
/// The vocabulary and whether the head is tied: what every family's config.json says.
void write_vocabulary(const ModelConfig& config, nlohmann::json& json);

/// A whole config.json, which transformers' `class_name` loads. Error: biases that it cannot say.
nlohmann::ordered_json llama_config_json(const ModelConfig& config, const char* class_name);
/// Its last part: whether the head is tied, ids of tokens.
void add_ids(const ModelConfig& config, nlohmann::ordered_json& json);

}  // namespace falconer
