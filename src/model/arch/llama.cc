// LLaMA 1 to 3 and what was made in its shape: Falcon3, Vicuna, TinyLlama, OpenLLaMA, SmolLM2 and many more.
#include "base/error.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

Activation activation_of(const ConfigFields& f, const LlamaDefaults& defaults) {
  const std::string name =
      f.text({defaults.activation_key, "hidden_act"}).value_or(defaults.activation);
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast")
    return Activation::kGeluTanh;
  fail(
      "{}: the activation \"{}\" is not supported, expected \"silu\", \"gelu\" or "
      "\"gelu_pytorch_tanh\"",
      f.where(), printable(name));
}

ModelConfig read_llama_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f);
  m.qkv_bias = m.dense_bias = f.boolean("attention_bias").value_or(false);
  m.mlp_bias = f.boolean("mlp_bias").value_or(false);
  read_token_ids(json, where, m);
  return m;
}

}  // namespace

ModelConfig read_llama_shape(const ConfigFields& f, const LlamaDefaults& defaults) {
  ModelConfig m;
  m.layers = f.required_whole("num_hidden_layers", kLayerCounts);
  m.width = f.required_whole("hidden_size", kWidths);
  m.heads = f.required_whole("num_attention_heads", kHeadCounts);
  m.vocab = f.required_whole("vocab_size", kVocabularies);
  m.mlp_width = f.required_whole("intermediate_size", kWidths);
  m.groups = f.whole("num_key_value_heads", kHeadCounts).value_or(m.heads);
  const int64_t usual = defaults.head_size > 0 ? defaults.head_size : m.width / m.heads;
  m.head_size = f.whole("head_dim", kWidths).value_or(usual);
  m.context = f.whole("max_position_embeddings", kContexts).value_or(defaults.context);
  m.parallel = m.shared_norm = false;
  m.norm = ModelConfig::NormKind::kRms;
  m.norm_eps = f.real("rms_norm_eps", kNormEpsilons).value_or(defaults.norm_eps);
  m.qkv = ModelConfig::Qkv::kSplit;
  m.mlp = ModelConfig::MlpKind::kGated;
  m.activation = activation_of(f, defaults);
  m.rope_base = rope_base_of(f);
  m.rope_dims = m.head_size;
  m.tied_head = f.boolean("tie_word_embeddings").value_or(defaults.tied_head);
  m.init_std = f.real("initializer_range", kInitDeviations).value_or(0.02);
  return m;
}

ModuleNames llama_names(const ModelConfig&) {
  return {.layers = "model.layers.",
          .of_role = {{Role::kEmbedding, "model.embed_tokens"},
                      {Role::kAttentionNorm, "input_layernorm"},
                      {Role::kMlpNorm, "post_attention_layernorm"},
                      {Role::kQkv, "self_attn.qkv_proj"},
                      {Role::kQ, "self_attn.q_proj"},
                      {Role::kK, "self_attn.k_proj"},
                      {Role::kV, "self_attn.v_proj"},
                      {Role::kQNorm, "self_attn.q_norm"},
                      {Role::kKNorm, "self_attn.k_norm"},
                      {Role::kDense, "self_attn.o_proj"},
                      {Role::kGateUp, "mlp.gate_up_proj"},
                      {Role::kGate, "mlp.gate_proj"},
                      {Role::kUp, "mlp.up_proj"},
                      {Role::kDown, "mlp.down_proj"},
                      {Role::kFinalNorm, "model.norm"},
                      {Role::kHead, "lm_head"}}};
}

bool llama_ignores(std::string_view tensor) {
  return tensor == "lm_head.weight" || tensor.ends_with(".rotary_emb.inv_freq");
}

void write_llama_config(const ModelConfig& config, nlohmann::json& json) {
  json["vocab_size"] = config.vocab;
  json["tie_word_embeddings"] = config.tied_head;
  json["attention_bias"] = config.qkv_bias;
  json["mlp_bias"] = config.mlp_bias;
}

const Architecture& llama_architecture() {
  static const Architecture made = {.name = "llama",
                                    .model_types = {"llama"},
                                    .read_config = read_llama_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_llama_config};
  return made;
}

}  // namespace falconer
