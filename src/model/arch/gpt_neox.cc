#include "model/arch/gpt_neox.h"

#include "model/arch/json_fields.h"

namespace falconer {
namespace {

ModelConfig read_config(const nlohmann::json& json, const std::string& where) {
  ModelConfig m;
  m.layers = required_field<int64_t>(json, {"num_hidden_layers"}, where);
  m.width = required_field<int64_t>(json, {"hidden_size"}, where);
  m.heads = required_field<int64_t>(json, {"num_attention_heads"}, where);
  m.vocab = required_field<int64_t>(json, {"vocab_size"}, where);
  if (m.heads < 1) fail("{}: the number of attention heads is {}", where, m.heads);
  m.groups = m.heads;
  m.head_size = m.width / m.heads;
  m.mlp_width = field<int64_t>(json, {"intermediate_size"}, 4 * m.width);
  m.parallel = field<bool>(json, {"use_parallel_residual"}, true);
  m.shared_norm = false;
  m.bias = field<bool>(json, {"attention_bias"}, true);
  m.norm_eps = field<double>(json, {"layer_norm_eps"}, 1e-5);
  m.rope_base = rope_base_of(json, where);
  double rotary = field<double>(json, {"rotary_pct", "partial_rotary_factor"}, 0.25);
  if (json.contains("rope_parameters") && json["rope_parameters"].is_object())
    rotary = field<double>(json["rope_parameters"], {"partial_rotary_factor"}, rotary);
  if (!(rotary >= 0 && rotary <= 1))
    fail("{}: the share of rotary dimensions is {}, expected 0 to 1", where, rotary);
  m.rope_dims = static_cast<int64_t>(static_cast<double>(m.head_size) * rotary);
  m.context = field<int64_t>(json, {"max_position_embeddings"}, 2048);
  m.tied_head = field<bool>(json, {"tie_word_embeddings"}, false);
  m.init_std = field<double>(json, {"initializer_range"}, 0.02);
  const auto activation = field<std::string>(json, {"hidden_act"}, "gelu");
  if (activation != "gelu")
    fail("{}: the activation \"{}\" is not supported, only \"gelu\"", where, activation);
  if (!m.bias) fail("{}: attention_bias false is not supported for gpt_neox", where);
  read_token_ids(json, m);
  return m;
}

LayerNames layer_names(const ModelConfig&, int64_t index) {
  const std::string h = fmt::format("gpt_neox.layers.{}.", index);
  return {.norm1 = h + "input_layernorm",
          .norm2 = h + "post_attention_layernorm",
          .qkv = h + "attention.query_key_value",
          .dense = h + "attention.dense",
          .up = h + "mlp.dense_h_to_4h",
          .down = h + "mlp.dense_4h_to_h"};
}

bool ignores(std::string_view tensor) {
  return tensor == "embed_out.weight" || tensor.ends_with(".attention.bias") ||
         tensor.ends_with(".attention.masked_bias") || tensor.ends_with(".rotary_emb.inv_freq");
}

void write_config(const ModelConfig& config, nlohmann::json& json) {
  json["tie_word_embeddings"] = config.tied_head;
}

}  // namespace

const Architecture& gpt_neox_architecture() {
  static const Architecture made = {.name = "gpt_neox",
                                    .model_types = {"gpt_neox"},
                                    .top = {.embedding = "gpt_neox.embed_in",
                                            .norm = "gpt_neox.final_layer_norm",
                                            .head = "embed_out"},
                                    .read_config = read_config,
                                    .layer = layer_names,
                                    .ignores = ignores,
                                    .write_config = write_config};
  return made;
}

}  // namespace falconer
