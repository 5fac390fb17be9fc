#include "model/arch/llama_shape.h"

#include <algorithm>

#include "base/error.h"
#include "model/arch/rope_settings.h"

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
  if (!defaults.own_head_size) m.head_size = usual;
  m.context = f.whole("max_position_embeddings", kContexts).value_or(defaults.context);
  m.parallel = m.shared_norm = false;
  m.norm = ModelConfig::NormKind::kRms;
  m.norm_eps = f.real("rms_norm_eps", kNormEpsilons).value_or(defaults.norm_eps);
  m.qkv = ModelConfig::Qkv::kSplit;
  m.mlp = ModelConfig::MlpKind::kGated;
  m.activation = activation_of(f, defaults);
  read_rope(f, m, defaults.rope);
  layer_types(f, m.layers);  // also where no window is read
  m.tied_head = f.boolean("tie_word_embeddings").value_or(defaults.tied_head);
  m.init_std = f.real("initializer_range", kInitDeviations).value_or(0.02);
  return m;
}

ModuleNames llama_names(const ModelConfig& config) {
  return {.layers = "model.layers.",
          .of_role = {{Role::kEmbedding, "model.embed_tokens"},
                      {Role::kAttentionNorm, "input_layernorm"},
                      {Role::kAttentionNormBehind, "post_attention_layernorm"},
                      {Role::kMlpNorm, config.norm_behind ? "pre_feedforward_layernorm"
                                                          : "post_attention_layernorm"},
                      {Role::kMlpNormBehind, "post_feedforward_layernorm"},
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

void write_vocabulary(const ModelConfig& config, nlohmann::json& json) {
  json["vocab_size"] = config.vocab;
  json["tie_word_embeddings"] = config.tied_head;
}

std::vector<std::string> layer_types(const ConfigFields& f, int64_t layers) {
  std::vector<std::string> types = f.texts("layer_types");
  if (f.find("layer_types") == nullptr) return types;
  if (std::ssize(types) != layers)
    fail("{}: \"layer_types\" has {} entries, and the model {} layers", f.where(), types.size(),
         layers);
  for (const std::string& type : types)
    if (type != "sliding_attention" && type != "full_attention")
      fail(
          "{}: \"layer_types\" names \"{}\", which is not supported; expected \"full_attention\" "
          "or "
          "\"sliding_attention\"",
          f.where(), printable(type));
  return types;
}

std::vector<int64_t> read_window_of_all(const ConfigFields& f, int64_t layers) {
  const int64_t window = f.whole("sliding_window", kContexts).value_or(0);
  if (window == 0) return {};
  const std::vector<std::string> types = layer_types(f, layers);
  if (std::find(types.begin(), types.end(), "full_attention") != types.end())
    warn_once(fmt::format(
        "{}: \"layer_types\" names layers of full attention, which models of this family do not "
        "have; all have the window of {} positions, as in transformers",
        f.where(), window));
  return std::vector<int64_t>(static_cast<size_t>(layers), window);
}

std::vector<int64_t> read_windows(const ConfigFields& f, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides) {
  std::vector<int64_t> windows(static_cast<size_t>(layers));
  if (window == 0) return {};
  if (f.find("layer_types") != nullptr) {
    const std::vector<std::string> types = layer_types(f, layers);
    for (size_t i = 0; i < types.size(); ++i)
      if (types[i] == "sliding_attention") windows[i] = window;
  } else {
    for (int64_t i = 0; i < layers; ++i)
      if (slides(i)) windows[static_cast<size_t>(i)] = window;
  }
  const bool any = std::any_of(windows.begin(), windows.end(), [](int64_t w) { return w > 0; });
  return any ? windows : std::vector<int64_t>{};
}

void refuse_set(const ConfigFields& f, std::initializer_list<const char*> switches) {
  for (const char* name : switches)
    if (f.boolean(name).value_or(false))
      fail("{}: \"{}\" is true, which is not supported", f.where(), name);
}

void refuse_biases(const ModelConfig& config, const nlohmann::json& json) {
  const auto had = json.find("attention_bias");
  const bool attention = had != json.end() && had->is_boolean() && had->get<bool>();
  if (config.mlp_bias || (config.dense_bias && !attention))
    fail(
        "a config.json of a {} model has no place for biases in all of its linear layers, which a "
        "merged Adapter v2 has: keep the adapter, and use it with --adapter",
        config.family);
}

}  // namespace falconer
