// Gemma 1, 2 and 3 (text): norms that multiply by 1 + w, embeddings times the root of the width, GELU by tanh;
// from 2 on norms on both sides of a mixer, windows in some layers and soft caps or norms of heads.
#include <cmath>

#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

constexpr LlamaDefaults kGemma{.activation_key = "hidden_activation",
                               .activation = "gelu_pytorch_tanh",
                               .context = 8192,
                               .head_size = 256,
                               .tied_head = true};

ModelConfig read_gemma_shape(const ConfigFields& f, const LlamaDefaults& defaults) {
  refuse_set(f, {"use_bidirectional_attention"});
  ModelConfig m = read_llama_shape(f, defaults);
  m.norm_offset = 1;
  m.embedding_scale = std::sqrt(static_cast<double>(m.width));
  m.qkv_bias = m.dense_bias = f.boolean("attention_bias").value_or(false);
  // What older files say is meant to be the approximation, and transformers takes it so.
  if (m.activation == Activation::kGelu) m.activation = Activation::kGeluTanh;
  return m;
}

ModelConfig read_gemma_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_gemma_shape(f, kGemma);
  read_token_ids(json, where, m);
  return m;
}

// A cap that is null is none; one that is missing is the class's.
double cap_of(const ConfigFields& f, const nlohmann::json& json, const char* key, double usual) {
  if (json.contains(key) && json[key].is_null()) return 0;
  return f.real(key, {.least = 0, .most = 1e6, .open_least = true}).value_or(usual);
}

// Of every layer but each `period`th.
void read_gemma_windows(const ConfigFields& f, ModelConfig& m, int64_t period) {
  const int64_t window = f.whole("sliding_window", kContexts).value_or(4096);
  m.windows =
      read_windows(f, m.layers, window, [&](int64_t layer) { return (layer + 1) % period != 0; });
}

ModelConfig read_newer_gemma(const ConfigFields& f, const LlamaDefaults& defaults) {
  ModelConfig m = read_gemma_shape(f, defaults);
  m.norm_behind = true;
  const double per = f.real("query_pre_attn_scalar", {.least = 1e-6, .most = 1e9}).value_or(256);
  m.score_scale = 1 / std::sqrt(per);
  return m;
}

ModelConfig read_gemma2_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_newer_gemma(f, kGemma);
  m.score_cap = cap_of(f, json, "attn_logit_softcapping", 50);
  m.logit_cap = cap_of(f, json, "final_logit_softcapping", 30);
  read_gemma_windows(f, m, 2);
  read_token_ids(json, where, m);
  return m;
}

ModelConfig read_gemma3_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  LlamaDefaults defaults = kGemma;
  defaults.context = 131072;
  defaults.rope.base = 1e6;
  ModelConfig m = read_newer_gemma(f, defaults);
  m.head_norm = ModelConfig::HeadNorm::kEachHead;
  if (m.window_rope_base == 0) m.window_rope_base = 10000;
  if (const double cap = cap_of(f, json, "attn_logit_softcapping", 0); cap > 0)
    warn_once(fmt::format(
        "{}: \"attn_logit_softcapping\" is {}, which models of this family do not have; attention "
        "is not capped, as in transformers",
        where, cap));
  m.logit_cap = cap_of(f, json, "final_logit_softcapping", 0);
  read_gemma_windows(f, m, f.whole("sliding_window_pattern", {1, kLayerCounts.most}).value_or(6));
  read_token_ids(json, where, m);
  return m;
}

void write_gemma_config(const ModelConfig& config, nlohmann::json& json) {
  refuse_biases(config, json);
  write_vocabulary(config, json);
}

}  // namespace

const Architecture& gemma_architecture() {
  static const Architecture made = {.name = "gemma",
                                    .model_types = {"gemma"},
                                    .read_config = read_gemma_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_gemma_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "GemmaForCausalLM");
                                    }};
  return made;
}

const Architecture& gemma2_architecture() {
  static const Architecture made = {.name = "gemma2",
                                    .model_types = {"gemma2"},
                                    .read_config = read_gemma2_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_gemma_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "Gemma2ForCausalLM");
                                    }};
  return made;
}

const Architecture& gemma3_architecture() {
  static const Architecture made = {.name = "gemma3_text",
                                    .model_types = {"gemma3_text"},
                                    .read_config = read_gemma3_config,
                                    .names = llama_names,
                                    .ignores = llama_ignores,
                                    .write_config = write_gemma_config,
                                    .config_json = [](const ModelConfig& config) {
                                      return llama_config_json(config, "Gemma3ForCausalLM");
                                    }};
  return made;
}

}  // namespace falconer
