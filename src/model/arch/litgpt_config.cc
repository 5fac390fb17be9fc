#include "model/arch/litgpt_config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json_file.h"
#include "base/path.h"
#include "checkpoint/simple_yaml.h"
#include "model/arch/architecture.h"
#include "model/arch/generation_config.h"
#include "model/arch/json_fields.h"
#include "model/arch/litgpt_families.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kYaml = "model_config.yaml";  // since February 2024
constexpr const char* kJson = "lit_config.json";

json read_settings(const fs::path& folder, std::string& where) {
  where = (folder / kYaml).string();
  if (is_there(where)) return read_simple_yaml(where);
  where = (folder / kJson).string();
  return read_json_object(where, 1 << 20);
}

/// What LitGPT has for models that no family here is.
void refuse_other_models(const ConfigFields& f) {
  const auto refuse = [&](const char* key, const char* expected) {
    fail(
        "{}: {} is {}; of LitGPT's folders those of Falcon and the families beside it can be read, "
        "which have {}",
        f.where(), key, found_text(*f.find(key)), expected);
  };
  for (const char* key : {"lm_head_bias", "rope_interleave"})
    if (f.boolean(key).value_or(false)) refuse(key, "false");
  if (f.find("latent_attention") != nullptr) refuse("latent_attention", "none");
  if (f.whole("n_expert").value_or(0) != 0) refuse("n_expert", "0");
}

int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Ids that end a text stand in Hugging Face's files beside.
void read_ids(const fs::path& folder, ModelConfig& config) {
  if (is_there(folder / "config.json")) {
    const json ids = read_config_object(folder / "config.json");
    read_token_ids(ids, (folder / "config.json").string(), config);
  }
  read_generation_config(folder, config);
}

// ---- reading

/// By what tells families apart. The settings of a family's own are read by it, and others are its to refuse.
std::string family_of(const ConfigFields& f) {
  const std::string norm = f.text({"norm_class_name", "_norm_class"}).value_or("LayerNorm");
  const std::string mlp = f.text({"mlp_class_name", "_mlp_class"}).value_or("GptNeoxMLP");
  const bool rms = norm == "RMSNorm", gated = mlp == "LLaMAMLP" || mlp == "GemmaMLP";
  if ((!rms && norm != "LayerNorm") || (!gated && mlp != "GptNeoxMLP") || (rms && !gated))
    fail("{}: has {} and {} (norm_class_name, mlp_class_name), as no family that is supported",
         f.where(), printable(norm), printable(mlp));
  const auto is = [&](const char* key, bool otherwise = false) {
    return f.boolean(key).value_or(otherwise);
  };
  if (!gated) return f.real("rotary_percentage").value_or(0.25) == 1 ? "falcon" : "gpt_neox";
  if (!rms) return "stablelm";
  if (mlp == "GemmaMLP")
    return is("norm_qk") ? "gemma3_text" : is("post_attention_norm") ? "gemma2" : "gemma";
  if (!is("norm_1", true)) return "olmo2";
  if (is("norm_qk")) return "qwen3";
  if (is("attn_bias") && !is("bias", true)) return "qwen2";
  const std::string name = f.text("name").value_or("");
  for (const LitFamily& known : kLitFamilies)
    for (const char* one : {"phi3", "mistral"})
      if (known.family == std::string_view(one) && name.starts_with(known.begins)) return one;
  return f.find("sliding_window_size") != nullptr ? "mistral" : "llama";
}

/// A setting that a family has one value of.
void expect_flag(const ConfigFields& f, const char* key, bool found_otherwise, bool wanted,
                 const std::string& family) {
  if (f.boolean(key).value_or(found_otherwise) != wanted)
    fail("{}: {} is {}; a {} model has {}", f.where(), key, !wanted, family, wanted);
}

void check_family(const ConfigFields& f, const std::string& family) {
  const bool behind = family == "gemma2" || family == "gemma3_text" || family == "olmo2";
  const bool before = family != "olmo2";
  const auto expect = [&](const char* key, bool otherwise, bool wanted) {
    expect_flag(f, key, otherwise, wanted, family);
  };
  expect("post_attention_norm", false, behind);
  expect("post_mlp_norm", false, behind);
  expect("norm_1", true, before);
  expect("norm_2", true, before);
  expect("norm_qk", false, family == "qwen3" || family == "gemma3_text" || family == "olmo2");
  expect("scale_embeddings", false, family.starts_with("gemma"));
  if (f.boolean("norm_qk").value_or(false) &&
      (f.text("norm_qk_type").value_or("default") == "olmo2") != (family == "olmo2"))
    fail("{}: norm_qk_type is not what a {} model has", f.where(), family);
  if (family.starts_with("gemma") && f.text("gelu_approximate").value_or("none") != "tanh")
    fail("{}: gelu_approximate is not \"tanh\", which a {} model has", f.where(), family);
  if ((family == "falcon" || family == "gpt_neox") &&
      f.text("gelu_approximate").value_or("none") != "none")
    fail("{}: gelu_approximate is not \"none\", which a {} model has", f.where(), family);
  const bool parallel = family == "falcon" || family == "gpt_neox" || family == "stablelm";
  if (!parallel) expect("parallel_residual", true, false);
  for (const char* key : {"attention_logit_softcapping", "final_logit_softcapping"})
    if (family != "gemma2" && (family != "gemma3_text" || key[0] == 'a'))
      if (f.find(key) != nullptr)
        fail("{}: {} is {}; a {} model has none", f.where(), key, found_text(*f.find(key)), family);
}

/// rope_condense_ratio and rope_adjustments as a config.json's rope_scaling.
json scaling_of(const ConfigFields& f) {
  const double ratio = f.real("rope_condense_ratio").value_or(1);
  const json* adjustments = f.find("rope_adjustments");
  if (ratio != 1 && adjustments == nullptr && f.find("rope_local_base_freq") == nullptr)
    return {{"rope_type", "linear"}, {"factor", ratio}};
  if (ratio != 1)
    fail("{}: rope_condense_ratio beside another adjustment of positions is not supported",
         f.where());
  if (adjustments == nullptr || adjustments->empty()) return nullptr;
  const ConfigFields a(*adjustments, f.where());
  if (a.find({"beta_fast", "beta_slow"}) != nullptr)
    fail(
        "{}: rope_adjustments of YaRN's kind are not supported: LitGPT computes them differently "
        "than the models' own code",
        f.where());
  json scaling = {{"rope_type", "linear"}, {"factor", a.required_real("factor")}};
  if (a.find("low_freq_factor") == nullptr) return scaling;
  scaling["rope_type"] = "llama3";
  scaling["low_freq_factor"] = a.required_real("low_freq_factor");
  scaling["high_freq_factor"] = a.required_real("high_freq_factor");
  scaling["original_max_position_embeddings"] = a.required_whole("original_max_seq_len");
  return scaling;
}

/// "layer_types", where the settings speak of windows.
void add_windows(const ConfigFields& f, int64_t layers, const std::string& family, json& config) {
  const auto window = f.whole("sliding_window_size", kContexts);
  std::vector<int64_t> slides = f.wholes("sliding_window_indices");
  if (slides.empty() && window) slides.assign(static_cast<size_t>(layers), 1);
  if (std::ssize(slides) < layers) slides.resize(static_cast<size_t>(layers));
  const std::vector<int64_t> local = f.wholes("rope_indices");
  json types = json::array();
  for (int64_t i = 0; i < layers; ++i) {
    const auto at = static_cast<size_t>(i);
    const bool here = window && slides[at] != 0;
    types.push_back(here ? "sliding_attention" : "full_attention");
    if (f.find("rope_local_base_freq") != nullptr &&
        (at < local.size() ? local[at] != 0 : true) != here)
      fail(
          "{}: rope_indices and sliding_window_indices name different layers, which no family that "
          "is supported does",
          f.where());
  }
  const auto count = std::count(types.begin(), types.end(), "sliding_attention");
  if ((family == "mistral" || family == "phi3") && count != 0 && count != layers)
    fail(
        "{}: sliding_window_indices names {} of {} layers; a {} model has its window in all of "
        "them",
        f.where(), count, layers, family);
  if (window && count > 0) config["sliding_window"] = *window;
  config["layer_types"] = types;
}

/// What its config.json would say.
json config_in(const ConfigFields& f, const std::string& family) {
  json c;
  const int64_t heads = f.required_whole("n_head", kHeadCounts);
  const int64_t width = f.required_whole("n_embd", kWidths);
  const int64_t layers = f.required_whole("n_layer", kLayerCounts);
  const int64_t size = f.whole("head_size", kWidths).value_or(width / heads);
  c["num_attention_heads"] = heads;
  c["hidden_size"] = width;
  c["num_hidden_layers"] = layers;
  c["head_dim"] = size;
  c["num_key_value_heads"] = f.whole("n_query_groups", kHeadCounts).value_or(heads);
  const bool plain = family == "gpt_neox";
  c["intermediate_size"] = plain ? f.whole("intermediate_size", kWidths).value_or(4 * width)
                                 : f.required_whole("intermediate_size", kWidths);
  c["max_position_embeddings"] = f.whole("block_size", kContexts).value_or(4096);
  const double eps = f.real("norm_eps", kNormEpsilons).value_or(1e-5);
  c[plain || family == "stablelm" ? "layer_norm_eps" : "rms_norm_eps"] = eps;
  c["rope_theta"] = c["rotary_emb_base"] = f.real("rope_base", kRopeBases).value_or(10000.0);
  if (const auto local = f.real("rope_local_base_freq", kRopeBases))
    c["rope_local_base_freq"] = *local;
  if (const json scaling = scaling_of(f); !scaling.is_null()) c["rope_scaling"] = scaling;
  const bool parallel = f.boolean("parallel_residual").value_or(true);
  c["use_parallel_residual"] = parallel;
  const bool qwen = family.starts_with("qwen") && f.find("sliding_window_size") != nullptr;
  if (qwen) c["use_sliding_window"] = true;
  if (qwen || family == "mistral" || family == "phi3" || family == "gemma2" ||
      family == "gemma3_text")
    add_windows(f, layers, family, c);
  else if (f.find("sliding_window_size") != nullptr)
    fail("{}: sliding_window_size is {}; windows of a {} model are not supported", f.where(),
         found_text(*f.find("sliding_window_size")), family);
  if (family == "gemma2" || family == "gemma3_text") {
    c["query_pre_attn_scalar"] =
        f.real("attention_scores_scalar").value_or(static_cast<double>(size));
    for (const auto& [theirs, key] :
         {std::pair("attention_logit_softcapping", "attn_logit_softcapping"),
          std::pair("final_logit_softcapping", "final_logit_softcapping")})
      c[key] = f.find(theirs) != nullptr ? *f.find(theirs) : json();
  } else if (const auto scalar = f.real("attention_scores_scalar");
             scalar && *scalar != static_cast<double>(size)) {
    fail("{}: attention_scores_scalar is {}; a {} model has its head_size, {}", f.where(), *scalar,
         family, size);
  }
  return c;
}

int64_t vocabulary_in(const ConfigFields& f) {
  const int64_t multiple = f.whole("padding_multiple", kVocabularies).value_or(512);
  const int64_t vocab = f.whole("vocab_size", kVocabularies).value_or(50254);
  return f.whole("padded_vocab_size", kVocabularies).value_or(rounded_up(vocab, multiple));
}

ModelConfig read_family(const ConfigFields& f, const std::string& family) {
  check_family(f, family);
  json c = config_in(f, family);
  c["vocab_size"] = vocabulary_in(f);
  ModelConfig m = architecture(family).read_config(c, f.where());
  m.family = family;
  // LitGPT takes the whole part.
  m.rope_dims = static_cast<int64_t>(f.real("rotary_percentage").value_or(0.25) *
                                     static_cast<double>(m.head_size));
  m.mlp_bias = m.dense_bias = f.boolean("bias").value_or(true);
  m.qkv_bias = m.dense_bias || f.boolean("attn_bias").value_or(false);
  m.tied_head = true;
  if (family == "stablelm") m.shared_norm = f.boolean("shared_attention_norm").value_or(false);
  return m;
}

}  // namespace

bool is_lit_folder(const fs::path& folder) {
  std::error_code ignored;
  const auto there = [&](const char* name) { return fs::exists(folder / name, ignored); };
  return (there(kYaml) || there(kJson)) && (there("lit_model.pth") || !there("config.json"));
}

namespace {

ModelConfig read_falcon(const ConfigFields& f) {
  check_family(f, "falcon");
  ModelConfig m;
  m.family = "falcon";
  m.layers = f.required_whole("n_layer", kLayerCounts);
  m.heads = f.required_whole("n_head", kHeadCounts);
  m.width = f.required_whole("n_embd", kWidths);
  m.head_size = m.width / m.heads;
  if (const auto size = f.whole("head_size", kWidths).value_or(m.head_size); size != m.head_size)
    fail("{}: head_size is {}, expected n_embd / n_head, {}", f.where(), size, m.head_size);
  m.groups = f.whole("n_query_groups", kHeadCounts).value_or(m.heads);
  m.mlp_width = f.whole("intermediate_size", kWidths).value_or(4 * m.width);
  m.vocab = vocabulary_in(f);
  m.context = f.whole("block_size", kContexts).value_or(4096);
  m.norm_eps = f.real("norm_eps", kNormEpsilons).value_or(1e-5);
  m.rope_base = f.real("rope_base", kRopeBases).value_or(10000.0);
  m.rope_dims = m.head_size;
  m.parallel = f.boolean("parallel_residual").value_or(true);
  m.shared_norm = f.boolean("shared_attention_norm").value_or(false);
  m.set_biases(f.boolean("bias").value_or(true));
  if (f.boolean("attn_bias").value_or(false)) m.qkv_bias = true;
  if (!scaling_of(f).is_null())
    fail("{}: its positions are scaled, which is not supported for Falcon models", f.where());
  m.tied_head = true;
  return m;
}

}  // namespace

ModelConfig read_lit_config(const fs::path& folder) {
  std::string where;
  const json s = read_settings(folder, where);
  const ConfigFields f(s, where);
  refuse_other_models(f);
  const std::string family = family_of(f);
  ModelConfig m = family == "falcon" ? read_falcon(f) : read_family(f, family);
  read_ids(folder, m);
  return m;
}

}  // namespace falconer
