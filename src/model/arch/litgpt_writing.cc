// Settings for LitGPT and Lit-Parrot, of a model that is here.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "checkpoint/simple_yaml.h"
#include "model/arch/architecture.h"
#include "model/arch/litgpt_config.h"
#include "model/arch/litgpt_families.h"

namespace falconer {
namespace {

using nlohmann::ordered_json;

struct KnownShape {
  const char* name;
  int64_t layers, width;
};
constexpr KnownShape kKnownShapes[] = {
    {"falcon-7b", 32, 4544}, {"falcon-40b", 60, 8192}, {"falcon-180B", 80, 14848}};

}  // namespace

std::string lit_model_name(const ModelConfig& config) {
  for (const LitFamily& known : kLitFamilies)
    if (config.family == known.family) return known.name;
  if (config.family != "falcon") return config.family;
  for (const KnownShape& known : kKnownShapes)
    if (config.layers == known.layers && config.width == known.width) return known.name;
  return config.shared_norm ? "falcon-7b-like" : "falcon-40b-like";
}

void check_lit_parrot(const ModelConfig& config) {
  if (config.family != "falcon")
    fail("Lit-Parrot is written for Falcon models, and this is one of {}; use --format litgpt",
         config.family);
}

namespace {

/// A whole number as one: LitGPT's own are whole. One that is not stays as it is, since rounding it would turn
/// every position.
ordered_json whole_if_it_is(double value) {
  const bool whole = value == std::floor(value) && value < 1e15;
  return whole ? ordered_json(static_cast<int64_t>(value)) : ordered_json(value);
}

/// Error: what LitGPT has no place for.
void check_lit_model(const ModelConfig& m, const std::string& name) {
  const auto refuse_if = [&](bool lacks, const char* what) {
    if (lacks) fail("{}: LitGPT has no {}; export it with --format hf instead", name, what);
  };
  const bool gemma = m.family.starts_with("gemma");
  for (const char* family : {"cohere", "falcon_h1", "starcoder2"})
    refuse_if(m.family == family, "models of this family");
  const RopeScaling& s = m.rope_scaling;
  refuse_if(m.alibi, "Falcon model with ALiBi (falcon-rw)");
  refuse_if(m.family == "falcon" && m.rope_dims != m.head_size,
            "Falcon model that rotates a part of each head");
  refuse_if(
      s.type != RopeType::kDefault && s.type != RopeType::kLinear && s.type != RopeType::kLlama3,
      "scaling of positions but \"linear\" and \"llama3\" that the models' own code agrees with");
  refuse_if(m.family == "falcon" && s.type != RopeType::kDefault,
            "Falcon model with scaled positions");
  refuse_if(m.dense_bias != m.mlp_bias, "biases behind attention without those of the MLP");
  refuse_if(m.dense_bias && !m.qkv_bias, "biases behind attention without those of queries");
  const bool gated = m.mlp != ModelConfig::MlpKind::kPlain;
  const Activation own = !gated  ? Activation::kGelu
                         : gemma ? Activation::kGeluTanh
                                 : Activation::kSilu;
  refuse_if(m.activation != own, "MLP with this activation in this family");
  refuse_if(m.parallel && m.shared_norm && m.family == "stablelm" && m.dense_bias,
            "such StableLM model");
}

void add_norms(const ModelConfig& m, ordered_json& s) {
  const bool rms = m.norm == ModelConfig::NormKind::kRms;
  s["norm_class_name"] = rms ? "RMSNorm" : "LayerNorm";
  s["mlp_class_name"] = m.mlp == ModelConfig::MlpKind::kPlain   ? "GptNeoxMLP"
                        : m.activation == Activation::kGeluTanh ? "GemmaMLP"
                                                                : "LLaMAMLP";
  if (m.family == "falcon") return;
  if (m.activation == Activation::kGeluTanh) s["gelu_approximate"] = "tanh";
  s["attn_bias"] = m.qkv_bias;
  s["norm_1"] = s["norm_2"] = m.norm_before;
  s["post_attention_norm"] = s["post_mlp_norm"] = m.norm_behind;
  s["norm_qk"] = m.head_norm != ModelConfig::HeadNorm::kNone;
  s["norm_qk_type"] = m.head_norm == ModelConfig::HeadNorm::kAllHeads ? "olmo2" : "default";
  s["scale_embeddings"] = m.embedding_scale != 1;
}

void add_attention(const ModelConfig& m, ordered_json& s) {
  if (m.score_scale != 0)
    s["attention_scores_scalar"] =
        whole_if_it_is(std::round(1e6 / (m.score_scale * m.score_scale)) / 1e6);
  if (m.score_cap > 0) s["attention_logit_softcapping"] = m.score_cap;
  if (m.logit_cap > 0) s["final_logit_softcapping"] = m.logit_cap;
  const RopeScaling& r = m.rope_scaling;
  if (r.type == RopeType::kLinear || r.type == RopeType::kLlama3)
    s["rope_adjustments"] = {{"factor", r.factor.value_or(1)}};
  if (r.type == RopeType::kLlama3) {
    s["rope_adjustments"]["low_freq_factor"] = r.low_freq_factor;
    s["rope_adjustments"]["high_freq_factor"] = r.high_freq_factor;
    s["rope_adjustments"]["original_max_seq_len"] =
        r.original_context > 0 ? r.original_context : m.context;
  }
  if (m.windows.empty()) return;
  std::vector<int64_t> slides;
  for (const int64_t window : m.windows) slides.push_back(window > 0);
  s["sliding_window_size"] = *std::max_element(m.windows.begin(), m.windows.end());
  s["sliding_window_indices"] = slides;
  if (m.window_rope_base <= 0) return;
  s["rope_local_base_freq"] = whole_if_it_is(m.window_rope_base);
  s["rope_indices"] = slides;
}

}  // namespace

nlohmann::ordered_json lit_config_json(const ModelConfig& config, const std::string& name) {
  check_lit_model(config, name);
  const bool falcon = config.family == "falcon";
  ordered_json s;
  s["name"] = name;
  s["hf_config"] = {{"org", falcon ? "tiiuae" : "local"}, {"name", name}};
  s["block_size"] = config.context;
  s["vocab_size"] = config.vocab;
  s["padding_multiple"] = 512;
  s["padded_vocab_size"] = config.vocab;
  s["n_layer"] = config.layers;
  s["n_head"] = config.heads;
  s["n_embd"] = config.width;
  s["head_size"] = config.head_size;
  s["n_query_groups"] = config.groups;
  s["intermediate_size"] = config.mlp_width;
  const double share =
      static_cast<double>(config.rope_dims) / static_cast<double>(config.head_size);
  s["rotary_percentage"] = falcon ? 1.0 : share;
  s["rope_base"] = whole_if_it_is(config.rope_base);
  s["parallel_residual"] = config.parallel;
  s["shared_attention_norm"] = config.parallel && config.shared_norm;
  s["bias"] = falcon ? config.bias() : config.dense_bias;
  s["norm_eps"] = config.norm_eps;
  add_norms(config, s);
  add_attention(config, s);
  return s;
}

std::string lit_config_yaml(const nlohmann::ordered_json& json) {
  std::string text;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_object()) {
      text += fmt::format("{}: {}\n", key, yaml_scalar(value));
      continue;
    }
    text += key + ":\n";
    for (const auto& [inner, scalar] : value.items())
      text += fmt::format("  {}: {}\n", inner, yaml_scalar(scalar));
  }
  return text;
}

}  // namespace falconer
