// A config.json for a model that came without one: what the families of LLaMA's shape say in it.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

using nlohmann::ordered_json;

// A whole number as one: transformers asks for that in places.
ordered_json plain_number(double value) {
  const double near = std::round(value);
  if (std::fabs(value - near) <= 1e-9 * std::fabs(value) && std::fabs(near) < 1e15)
    return static_cast<int64_t>(near);
  return value;
}

const char* activation_name(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return "silu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_pytorch_tanh";
  }
  throw InternalError("an activation without a name");
}

// As "rope_scaling", which every version of transformers reads.
ordered_json rope_scaling_json(const ModelConfig& m) {
  const RopeScaling& s = m.rope_scaling;
  if (s.type == RopeType::kDefault) return nullptr;
  static const std::pair<RopeType, const char*> kNames[] = {{RopeType::kLinear, "linear"},
                                                            {RopeType::kDynamic, "dynamic"},
                                                            {RopeType::kLlama3, "llama3"},
                                                            {RopeType::kYarn, "yarn"},
                                                            {RopeType::kLongRope, "longrope"}};
  ordered_json json;
  for (const auto& [type, name] : kNames)
    if (type == s.type) json["rope_type"] = name;
  if (s.factor) json["factor"] = *s.factor;
  if (s.original_context > 0) json["original_max_position_embeddings"] = s.original_context;
  if (s.attention_factor) json["attention_factor"] = *s.attention_factor;
  if (s.type == RopeType::kLlama3) {
    json["low_freq_factor"] = s.low_freq_factor;
    json["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.type == RopeType::kYarn) {
    json["beta_fast"] = s.beta_fast;
    json["beta_slow"] = s.beta_slow;
    if (s.mscale) json["mscale"] = *s.mscale;
    if (s.mscale_all_dim) json["mscale_all_dim"] = *s.mscale_all_dim;
    if (!s.truncate) json["truncate"] = false;
  }
  if (s.type == RopeType::kLongRope) {
    json["short_factor"] = s.short_factors;
    json["long_factor"] = s.long_factors;
  }
  return json;
}

void add_rotation(const ModelConfig& m, ordered_json& json) {
  json["rope_theta"] = m.rope_base;
  if (m.window_rope_base > 0) json["rope_local_base_freq"] = m.window_rope_base;
  if (m.rope_dims != m.head_size) {
    // Read as the whole part of the share of a head.
    double share = static_cast<double>(m.rope_dims) / static_cast<double>(m.head_size);
    if (static_cast<int64_t>(share * static_cast<double>(m.head_size)) < m.rope_dims)
      share = std::nextafter(share, 1.0);
    json["partial_rotary_factor"] = share;
  }
  const ordered_json scaling = rope_scaling_json(m);
  if (!scaling.is_null()) json["rope_scaling"] = scaling;
  if (scaling.contains("original_max_position_embeddings") && m.family == "phi3")
    json["original_max_position_embeddings"] = m.rope_scaling.original_context;
}

void add_windows(const ModelConfig& m, ordered_json& json) {
  const auto widest = std::max_element(m.windows.begin(), m.windows.end());
  if (m.windows.empty()) {
    json["sliding_window"] = nullptr;
    return;
  }
  json["sliding_window"] = *widest;
  ordered_json types = ordered_json::array();
  for (const int64_t window : m.windows)
    types.push_back(window > 0 ? "sliding_attention" : "full_attention");
  json["layer_types"] = types;
}

void add_gemma(const ModelConfig& m, ordered_json& json) {
  json["hidden_activation"] = json["hidden_act"];
  json["attention_bias"] = m.qkv_bias;
  if (m.family == "gemma") return;
  json["query_pre_attn_scalar"] = plain_number(1 / (m.score_scale * m.score_scale));
  const auto cap = [](double value) { return value > 0 ? ordered_json(value) : ordered_json(); };
  json["attn_logit_softcapping"] = cap(m.score_cap);
  json["final_logit_softcapping"] = cap(m.logit_cap);
  add_windows(m, json);
  if (m.windows.empty()) {
    json["sliding_window"] = 4096;
    json["layer_types"] = std::vector<std::string>(static_cast<size_t>(m.layers), "full_attention");
  }
}

void add_family(const ModelConfig& m, ordered_json& json) {
  const std::string& family = m.family;
  if (family.starts_with("gemma")) return add_gemma(m, json);
  if (family == "llama" || family == "qwen3" || family == "olmo2" || family == "cohere")
    json["attention_bias"] = m.dense_bias;
  if (family == "llama") json["mlp_bias"] = m.mlp_bias;
  if (family == "mistral" || family == "phi3" || family == "starcoder2") {
    add_windows(m, json);
    json.erase("layer_types");  // in every layer there
  }
  if (family == "qwen2" || family == "qwen3") {
    json["use_sliding_window"] = !m.windows.empty();
    add_windows(m, json);
  }
  if (family == "cohere") json["logit_scale"] = m.logit_scale;
  if (family == "starcoder2") json["use_bias"] = m.bias();
  if (family == "stablelm") {
    json["use_qkv_bias"] = m.qkv_bias;
    json["use_parallel_residual"] = m.parallel;
    json["qk_layernorm"] = false;
  }
}

// Those of the MLP are write_config's to refuse, with the way out for a merged adapter.
bool says_biases(const ModelConfig& m) {
  if (m.family == "qwen2") return m.qkv_bias;
  if (m.family == "starcoder2") return m.bias() || !(m.qkv_bias || m.dense_bias || m.mlp_bias);
  if (m.family == "stablelm") return true;
  if (m.family == "mistral" || m.family == "phi3") return !m.qkv_bias || m.dense_bias;
  return m.qkv_bias == m.dense_bias;
}

}  // namespace

ordered_json llama_config_json(const ModelConfig& m, const char* class_name) {
  if (!says_biases(m))
    fail(
        "a config.json of a {} model has no place for the biases of this one (queries, keys and "
        "values: {}; behind attention: {}; MLP: {})",
        m.family, m.qkv_bias ? "yes" : "no", m.dense_bias ? "yes" : "no",
        m.mlp_bias ? "yes" : "no");
  if (m.rope_dims != m.head_size && m.family != "phi3" && m.family != "stablelm")
    fail(
        "a config.json of a {} model has no place for a rotation of {} of the {} dimensions of a "
        "head: transformers rotates all of them",
        m.family, m.rope_dims, m.head_size);
  ordered_json json;
  json["architectures"] = {class_name};
  json["model_type"] = m.family;
  json["vocab_size"] = m.vocab;
  json["hidden_size"] = m.width;
  json["num_hidden_layers"] = m.layers;
  json["num_attention_heads"] = m.heads;
  json["num_key_value_heads"] = m.groups;
  json["head_dim"] = m.head_size;
  json["intermediate_size"] = m.mlp_width;
  json["hidden_act"] = activation_name(m.activation);
  json["max_position_embeddings"] = m.context;
  json[m.norm == ModelConfig::NormKind::kRms ? "rms_norm_eps"
       : m.family == "starcoder2"            ? "norm_epsilon"
                                             : "layer_norm_eps"] = m.norm_eps;
  add_rotation(m, json);
  add_family(m, json);
  add_ids(m, json);
  return json;
}

void add_ids(const ModelConfig& m, ordered_json& json) {
  json["tie_word_embeddings"] = m.tied_head;
  json["initializer_range"] = m.init_std;
  // Null where there is none: a class has ids of its own, which may be beyond this vocabulary.
  json["bos_token_id"] = m.bos_id ? ordered_json(*m.bos_id) : ordered_json();
  json["eos_token_id"] = m.eos_ids.empty()       ? ordered_json()
                         : m.eos_ids.size() == 1 ? ordered_json(m.eos_ids.front())
                                                 : ordered_json(m.eos_ids);
  json["pad_token_id"] = nullptr;
  json["torch_dtype"] = "float32";
}

}  // namespace falconer
