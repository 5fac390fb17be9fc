#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/json_fields.h"
#include "model/arch/llama_shape.h"
#include "model/arch/rope_settings.h"

namespace falconer {
namespace {

// As transformers 5 calls it, which files do not know.
constexpr const char *kHead = "lm_head", *kHeadInFiles = "embed_out";

ModelConfig read_neox_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m;
  m.layers = f.required_whole("num_hidden_layers", kLayerCounts);
  m.width = f.required_whole("hidden_size", kWidths);
  m.heads = f.required_whole("num_attention_heads", kHeadCounts);
  m.vocab = f.required_whole("vocab_size", kVocabularies);
  m.groups = m.heads;
  m.head_size = m.width / m.heads;
  m.mlp_width = f.whole("intermediate_size", kWidths).value_or(4 * m.width);
  m.parallel = f.boolean("use_parallel_residual").value_or(true);
  m.shared_norm = false;
  m.set_biases(f.boolean("attention_bias").value_or(true));
  m.norm_eps = f.real("layer_norm_eps", kNormEpsilons).value_or(1e-5);
  m.context = f.whole("max_position_embeddings", kContexts).value_or(2048);
  read_rope(f, m, {.share_key = "rotary_pct", .share = 0.25});
  m.tied_head = f.boolean("tie_word_embeddings").value_or(false);
  m.init_std = f.real("initializer_range", kInitDeviations).value_or(0.02);
  const auto activation = f.text("hidden_act").value_or("gelu");
  if (activation != "gelu")
    fail("{}: the activation \"{}\" is not supported, only \"gelu\"", where, printable(activation));
  if (!m.bias()) fail("{}: attention_bias false is not supported for gpt_neox", where);
  refuse_layer_types(f, m.layers);
  read_token_ids(json, where, m);
  return m;
}

ModuleNames neox_names(const ModelConfig&) {
  return {.layers = "gpt_neox.layers.",
          .of_role = {{Role::kEmbedding, "gpt_neox.embed_in"},
                      {Role::kAttentionNorm, "input_layernorm"},
                      {Role::kMlpNorm, "post_attention_layernorm"},
                      {Role::kQkv, "attention.query_key_value"},
                      {Role::kDense, "attention.dense"},
                      {Role::kUp, "mlp.dense_h_to_4h"},
                      {Role::kDown, "mlp.dense_4h_to_h"},
                      {Role::kFinalNorm, "gpt_neox.final_layer_norm"},
                      {Role::kHead, kHead}}};
}

bool neox_ignores(std::string_view tensor) {
  return tensor == "lm_head.weight" || tensor.ends_with(".attention.bias") ||
         tensor.ends_with(".attention.masked_bias") || tensor.ends_with(".rotary_emb.inv_freq");
}

void write_neox_config(const ModelConfig& config, nlohmann::json& json) {
  json["vocab_size"] = config.vocab;
  json["tie_word_embeddings"] = config.tied_head;
}

nlohmann::ordered_json neox_config_json(const ModelConfig& m) {
  nlohmann::ordered_json json;
  json["architectures"] = {"GPTNeoXForCausalLM"};
  json["model_type"] = m.family;
  json["vocab_size"] = m.vocab;
  json["hidden_size"] = m.width;
  json["num_hidden_layers"] = m.layers;
  json["num_attention_heads"] = m.heads;
  json["intermediate_size"] = m.mlp_width;
  json["hidden_act"] = "gelu";
  json["max_position_embeddings"] = m.context;
  json["layer_norm_eps"] = m.norm_eps;
  json["rotary_emb_base"] = m.rope_base;
  json["rotary_pct"] = static_cast<double>(m.rope_dims) / static_cast<double>(m.head_size);
  json["use_parallel_residual"] = m.parallel;
  json["attention_bias"] = true;
  add_ids(m, json);
  return json;
}

}  // namespace

const Architecture& gpt_neox_architecture() {
  static const Architecture made = {.name = "gpt_neox",
                                    .model_types = {"gpt_neox"},
                                    .read_config = read_neox_config,
                                    .names = neox_names,
                                    .ignores = neox_ignores,
                                    .write_config = write_neox_config,
                                    .config_json = neox_config_json,
                                    .names_in_files = {{kHead, kHeadInFiles}}};
  return made;
}

}  // namespace falconer
