#include "model/arch/falcon.h"

#include "base/error.h"
#include "model/arch/llama_shape.h"
#include "model/arch/rope_settings.h"

namespace falconer {
namespace {

// Three generations share one model_type:
//   7B   multi_query                one key-value head, one norm, parallel
//   40B  new_decoder_architecture   num_kv_heads, two norms (num_ln_in_parallel_attn), parallel;
//                                   its first files (RefinedWeb) say "n_head_kv" and nothing else
//   RW   neither                    a key and a value per head, ALiBi, biases, sequential
// num_kv_heads counts only with new_decoder_architecture: transformers writes num_attention_heads
// there for 7B.
ModelConfig read_falcon_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m;
  m.layers = f.required_whole({"num_hidden_layers", "n_layer"}, kLayerCounts);
  m.width = f.required_whole({"hidden_size", "n_embed"}, kWidths);
  m.heads = f.required_whole({"num_attention_heads", "n_head"}, kHeadCounts);
  m.vocab = f.required_whole("vocab_size", kVocabularies);
  m.head_size = m.width / m.heads;
  const bool new_decoder =
      f.boolean("new_decoder_architecture").value_or(f.find("n_head_kv") != nullptr);
  const bool multi_query = f.boolean("multi_query").value_or(true);
  if (new_decoder)
    m.groups = f.whole({"num_kv_heads", "n_head_kv"}, kHeadCounts).value_or(m.heads);
  else
    m.groups = multi_query ? 1 : m.heads;
  m.mlp_width = f.whole("ffn_hidden_size", kWidths).value_or(4 * m.width);
  m.parallel = new_decoder || f.boolean("parallel_attn").value_or(true);
  m.shared_norm =
      new_decoder ? f.whole("num_ln_in_parallel_attn", {1, 2}).value_or(2) == 1 : m.parallel;
  m.set_biases(f.boolean("bias").value_or(false));
  m.alibi = f.boolean("alibi").value_or(false);
  m.norm_eps = f.real("layer_norm_epsilon", kNormEpsilons).value_or(1e-5);
  m.context = f.whole("max_position_embeddings", kContexts).value_or(2048);
  read_rope(f, m);
  if (m.alibi) m.rope_dims = 0;
  m.tied_head = f.boolean("tie_word_embeddings").value_or(true);
  m.init_std = f.real("initializer_range", kInitDeviations).value_or(0.02);
  const auto activation = f.text("activation").value_or("gelu");
  if (activation != "gelu")
    fail("{}: the activation \"{}\" is not supported, only \"gelu\"", where, printable(activation));
  refuse_layer_types(f, m.layers);
  read_token_ids(json, where, m);
  return m;
}

ModuleNames falcon_names(const ModelConfig& config) {
  const bool two = config.parallel && !config.shared_norm;
  return {.layers = "transformer.h.",
          .of_role = {{Role::kEmbedding, "transformer.word_embeddings"},
                      {Role::kAttentionNorm, two ? "ln_attn" : "input_layernorm"},
                      {Role::kMlpNorm, two ? "ln_mlp" : "post_attention_layernorm"},
                      {Role::kQkv, "self_attention.query_key_value"},
                      {Role::kDense, "self_attention.dense"},
                      {Role::kUp, "mlp.dense_h_to_4h"},
                      {Role::kDown, "mlp.dense_4h_to_h"},
                      {Role::kFinalNorm, "transformer.ln_f"},
                      {Role::kHead, "lm_head"}}};
}

bool falcon_ignores(std::string_view tensor) {
  return tensor == "lm_head.weight" || tensor.ends_with(".rotary_emb.inv_freq") ||
         tensor.ends_with(".maybe_rotary.inv_freq");
}

void write_falcon_config(const ModelConfig& config, nlohmann::json& json) {
  // "RefinedWeb" and "RefinedWebModel" ran with code beside the model; transformers knows "falcon".
  if (json.value("model_type", "") != "falcon") {
    const nlohmann::ordered_json names = falcon_config_json(config);
    for (const auto& [key, value] : names.items()) json[key] = value;
  }
  json["vocab_size"] = config.vocab;
  json["tie_word_embeddings"] = config.tied_head;
  json["bias"] = config.bias();
}

}  // namespace

nlohmann::ordered_json falcon_config_json(const ModelConfig& m) {
  const bool new_decoder = m.parallel && (m.groups > 1 || !m.shared_norm);
  nlohmann::ordered_json json;
  json["architectures"] = {"FalconForCausalLM"};
  json["model_type"] = "falcon";
  json["vocab_size"] = m.vocab;
  json["hidden_size"] = m.width;
  json["num_hidden_layers"] = m.layers;
  json["num_attention_heads"] = m.heads;
  json["new_decoder_architecture"] = new_decoder;
  if (new_decoder) {
    json["num_kv_heads"] = m.groups;
    json["num_ln_in_parallel_attn"] = m.shared_norm ? 1 : 2;
  }
  json["multi_query"] = new_decoder || m.groups == 1;
  json["parallel_attn"] = m.parallel;
  json["ffn_hidden_size"] = m.mlp_width;
  json["bias"] = m.bias();
  json["alibi"] = m.alibi;
  json["layer_norm_epsilon"] = m.norm_eps;
  json["rope_theta"] = m.rope_base;
  json["max_position_embeddings"] = m.context;
  json["tie_word_embeddings"] = m.tied_head;
  json["initializer_range"] = m.init_std;
  if (m.bos_id) json["bos_token_id"] = *m.bos_id;
  if (m.eos_ids.size() == 1) json["eos_token_id"] = m.eos_ids.front();
  if (m.eos_ids.size() > 1) json["eos_token_id"] = m.eos_ids;
  json["torch_dtype"] = "float32";
  return json;
}

const Architecture& falcon_architecture() {
  static const Architecture made = {.name = "falcon",
                                    .model_types = {"falcon", "RefinedWeb", "RefinedWebModel"},
                                    .read_config = read_falcon_config,
                                    .names = falcon_names,
                                    .ignores = falcon_ignores,
                                    .write_config = write_falcon_config,
                                    .config_json = falcon_config_json};
  return made;
}

}  // namespace falconer
