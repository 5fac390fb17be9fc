#include "model/arch/litgpt_config.h"

#include <cmath>

#include "base/error.h"
#include "base/json_file.h"
#include "base/path.h"
#include "checkpoint/simple_yaml.h"
#include "model/arch/generation_config.h"
#include "model/arch/json_fields.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kYaml = "model_config.yaml";  // since February 2024
constexpr const char* kJson = "lit_config.json";

json read_settings(const fs::path& folder, std::string& where) {
  where = (folder / kYaml).string();
  if (is_there(where)) return read_simple_yaml(where);
  where = (folder / kJson).string();
  return read_json_object(where, 1 << 20);
}

/// What LitGPT has for other families and Falcon does not.
void refuse_other_models(const json& s, const std::string& where) {
  const auto expect = [&](const char* key, const json& falcon) {
    if (s.contains(key) && !s[key].is_null() && s[key] != falcon)
      fail("{}: {} is {}; of LitGPT's folders those of Falcon models can be read, which have {}",
           where, key, found_text(s[key]), falcon.dump());
  };
  expect("norm_class_name", "LayerNorm");
  expect("_norm_class", "LayerNorm");
  expect("mlp_class_name", "GptNeoxMLP");
  expect("_mlp_class", "GptNeoxMLP");
  expect("gelu_approximate", "none");
  for (const char* key : {"lm_head_bias", "scale_embeddings", "norm_qk", "post_attention_norm",
                          "post_mlp_norm", "rope_interleave"})
    expect(key, false);
  expect("rope_condense_ratio", 1);
  expect("n_expert", 0);
}

int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Ids that end a text stand in Hugging Face's files beside.
void read_ids(const fs::path& folder, ModelConfig& config) {
  if (is_there(folder / "config.json")) {
    const json ids = read_json_object(folder / "config.json", 1 << 24);
    read_token_ids(ids, (folder / "config.json").string(), config);
  }
  read_generation_config(folder, config);
}

struct KnownShape {
  const char* name;
  int64_t layers, width;
};
constexpr KnownShape kKnownShapes[] = {
    {"falcon-7b", 32, 4544}, {"falcon-40b", 60, 8192}, {"falcon-180B", 80, 14848}};

}  // namespace

bool is_lit_folder(const fs::path& folder) {
  std::error_code ignored;
  const auto there = [&](const char* name) { return fs::exists(folder / name, ignored); };
  return (there(kYaml) || there(kJson)) && (there("lit_model.pth") || !there("config.json"));
}

ModelConfig read_lit_config(const fs::path& folder) {
  std::string where;
  const json s = read_settings(folder, where);
  const ConfigFields f(s, where);
  ModelConfig m;
  m.layers = f.required_whole("n_layer", kLayerCounts);
  m.heads = f.required_whole("n_head", kHeadCounts);
  m.width = f.required_whole("n_embd", kWidths);
  m.head_size = m.width / m.heads;
  if (const auto size = f.whole("head_size", kWidths).value_or(m.head_size); size != m.head_size)
    fail("{}: head_size is {}, expected n_embd / n_head, {}", where, size, m.head_size);
  m.groups = f.whole("n_query_groups", kHeadCounts).value_or(m.heads);
  m.mlp_width = f.whole("intermediate_size", kWidths).value_or(4 * m.width);
  const int64_t multiple = f.whole("padding_multiple", kVocabularies).value_or(512);
  const int64_t vocab = f.whole("vocab_size", kVocabularies).value_or(50254);
  m.vocab = f.whole("padded_vocab_size", kVocabularies).value_or(rounded_up(vocab, multiple));
  m.context = f.whole("block_size", kContexts).value_or(4096);
  m.norm_eps = f.real("norm_eps", kNormEpsilons).value_or(1e-5);
  m.rope_base = f.real("rope_base", kRopeBases).value_or(10000.0);
  m.rope_dims = m.head_size;
  if (f.real("rotary_percentage").value_or(0.25) != 1)
    fail("{}: rotary_percentage is not 1; of LitGPT's folders those of Falcon models can be read",
         where);
  m.parallel = f.boolean("parallel_residual").value_or(true);
  m.shared_norm = f.boolean("shared_attention_norm").value_or(false);
  m.set_biases(f.boolean("bias").value_or(true));
  m.tied_head = true;
  refuse_other_models(s, where);
  read_ids(folder, m);
  return m;
}

std::string lit_model_name(const ModelConfig& config) {
  for (const KnownShape& known : kKnownShapes)
    if (config.layers == known.layers && config.width == known.width) return known.name;
  return config.shared_norm ? "falcon-7b-like" : "falcon-40b-like";
}

nlohmann::ordered_json lit_config_json(const ModelConfig& config, const std::string& name) {
  if (config.alibi || config.rope_dims != config.head_size)
    fail(
        "{}: LitGPT has no Falcon model with ALiBi (falcon-rw); export it with --format hf instead",
        name);
  nlohmann::ordered_json s;
  s["name"] = name;
  s["hf_config"] = {{"org", "tiiuae"}, {"name", name}};
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
  s["rotary_percentage"] = 1.0;
  // LitGPT's own are whole; one that is not stays as it is, since rounding it would turn every position.
  const double base = config.rope_base;
  const bool whole = base == std::floor(base) && base < 1e15;
  s["rope_base"] = whole ? ordered_json(static_cast<int64_t>(base)) : ordered_json(base);
  s["parallel_residual"] = config.parallel;
  s["shared_attention_norm"] = config.parallel && config.shared_norm;
  s["bias"] = config.bias();
  s["norm_eps"] = config.norm_eps;
  s["norm_class_name"] = "LayerNorm";
  s["mlp_class_name"] = "GptNeoxMLP";
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
