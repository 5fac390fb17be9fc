#include "model/arch/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/joined.h"
#include "checkpoint/gguf_tokenizer.h"
#include "model/arch/architecture.h"
#include "model/arch/gguf_rules.h"
#include "model/arch/limits.h"

namespace falconer {
namespace {

/// A family and what llama.cpp calls it.
struct GgufFamily {
  const char *family, *architecture;
};
constexpr GgufFamily kFamilies[] = {
    {"falcon", "falcon"},    {"falcon_h1", "falcon-h1"},  {"llama", "llama"},
    {"mistral", "llama"},    {"qwen2", "qwen2"},          {"qwen3", "qwen3"},
    {"phi3", "phi3"},        {"gemma", "gemma"},          {"gemma2", "gemma2"},
    {"olmo2", "olmo2"},      {"gemma3_text", "gemma3"},   {"stablelm", "stablelm"},
    {"cohere", "command-r"}, {"starcoder2", "starcoder2"}};

const GgufFamily* family_of(std::string_view architecture) {
  for (const GgufFamily& one : kFamilies)
    if (architecture == one.architecture) return &one;
  return nullptr;
}

std::string known_architectures() {
  std::vector<std::string> names;
  for (const GgufFamily& one : kFamilies)
    if (std::string_view(one.family) != "mistral") names.emplace_back(one.architecture);
  return joined(names, ", ");
}

/// A one-dimensional tensor of f32.
std::vector<double> numbers_in(const Gguf& gguf, const char* name) {
  const GgufTensor* tensor = gguf.tensor(name);
  if (tensor == nullptr) return {};
  if (tensor->type.dtype != Dtype::kF32 || tensor->shape.size() != 1)
    fail("{}: {} is {} of {}; expected one row of f32", gguf.path().string(), name,
         tensor->shape_text(), tensor->type.name);
  std::vector<double> numbers;
  for (size_t at = 0; at + sizeof(float) <= tensor->bytes.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, tensor->bytes.data() + at, sizeof value);
    numbers.push_back(as_written(static_cast<double>(value)));
  }
  return numbers;
}

/// A file has each frequency's divisor and not the rule: LLaMA 3's where it gives these, else they are taken as
/// they are.
void read_divisors(const Gguf& gguf, const std::string& prefix, ModelConfig& m) {
  const std::vector<double> divisors = numbers_in(gguf, kGgufRotations[0]);
  if (divisors.empty()) return;
  if (std::ssize(divisors) != m.rope_dims / 2)
    fail("{}: {} has {} numbers, expected {}, one for each pair of rotated dimensions",
         gguf.path().string(), kGgufRotations[0], divisors.size(), m.rope_dims / 2);
  m.rope_scaling = {.type = RopeType::kLlama3,
                    .factor = *std::max_element(divisors.begin(), divisors.end()),
                    .original_context = gguf.integer(
                        prefix + "rope.scaling.original_context_length", 8192, kContexts)};
  const std::vector<float> ruled = llama3_divisors(m);
  bool same = true;
  for (size_t i = 0; i < divisors.size(); ++i)
    same = same && std::fabs(ruled[i] - divisors[i]) <= 1e-5 * divisors[i];
  if (same) return;
  m.rope_scaling = {.type = RopeType::kLongRope,
                    .original_context = m.context,
                    .attention_factor = 1,
                    .short_factors = divisors,
                    .long_factors = divisors};
}

void read_gguf_scaling(const Gguf& gguf, const std::string& prefix, ModelConfig& m) {
  const std::string where = gguf.path().string(), scaling = prefix + "rope.scaling.";
  const std::string_view type = gguf.text(scaling + "type", "none");
  RopeScaling& s = m.rope_scaling;
  if (gguf.find(scaling + "original_context_length") != nullptr)
    s.original_context = gguf.integer(scaling + "original_context_length", {}, kContexts);
  const auto positive = [&](const char* key, std::optional<double> otherwise) {
    return as_written(gguf.number(scaling + key, otherwise, {.least = 0, .most = 1e6}));
  };
  s.long_factors = numbers_in(gguf, kGgufRotations[1]);
  s.short_factors = numbers_in(gguf, kGgufRotations[2]);
  if (!s.long_factors.empty() || type == "longrope") {
    s.type = RopeType::kLongRope;
    if (std::ssize(s.long_factors) != m.rope_dims / 2 ||
        std::ssize(s.short_factors) != m.rope_dims / 2)
      fail("{}: {} and {} have {} and {} numbers, expected {}", where, kGgufRotations[1],
           kGgufRotations[2], s.long_factors.size(), s.short_factors.size(), m.rope_dims / 2);
    s.attention_factor = positive("attn_factor", 1);
    return;
  }
  s.original_context = type == "yarn" ? s.original_context : 0;
  if (type == "none") return read_divisors(gguf, prefix, m);
  if (type != "linear" && type != "yarn")
    fail("{}: its positions are scaled by \"{}\", which is not supported", where, printable(type));
  s.type = type == "linear" ? RopeType::kLinear : RopeType::kYarn;
  s.factor = positive("factor", {});
  if (s.type == RopeType::kLinear) return;
  s.beta_fast = positive("yarn_beta_fast", 32);
  s.beta_slow = positive("yarn_beta_slow", 1);
  if (positive("yarn_attn_factor", 1) != 1 || positive("attn_factor", 1) != 1)
    fail("{}: its yarn has a factor on attention of its own, which is not supported", where);
}

/// Of a state space mixer. All factors are in the weights.
void add_ssm_to(nlohmann::json& json, const Gguf& gguf, const std::string& prefix) {
  for (const char* key : {"mlp_gate_multiplier", "ssm.has_mup"})
    if (gguf.find(prefix + key) != nullptr)
      fail(
          "{}: has factors as keys ({}{}), as a fork of llama.cpp wrote them in 2025; llama.cpp "
          "has "
          "them in the weights. Convert the model again, or take its Hugging Face folder",
          gguf.path().string(), prefix, key);
  const auto whole = [&](const char* key, const WholeRange& range) {
    return gguf.integer(prefix + "ssm." + key, {}, range);
  };
  json["mamba_d_ssm"] = whole("inner_size", kWidths);
  json["mamba_n_heads"] = whole("time_step_rank", kHeadCounts);
  json["mamba_n_groups"] = whole("group_count", kHeadCounts);
  json["mamba_d_state"] = whole("state_size", kWidths);
  json["mamba_d_conv"] = whole("conv_kernel", kWidths);
  json["mamba_rms_norm"] = gguf.tensor("blk.0.ssm_norm.weight") != nullptr;
  json["mamba_norm_before_gate"] = false;
  json["mamba_conv_bias"] = gguf.tensor("blk.0.ssm_conv1d.bias") != nullptr;
}

/// What its config.json would say, by which the family reads the rest.
nlohmann::json config_in(const Gguf& gguf, const std::string& prefix, const std::string& family) {
  nlohmann::json json;
  const int64_t width = gguf.integer(prefix + "embedding_length", {}, kWidths);
  const int64_t heads = gguf.integer(prefix + "attention.head_count", {}, kHeadCounts);
  const int64_t layers = gguf.integer(prefix + "block_count", {}, kLayerCounts);
  const int64_t head_size = gguf.integer(prefix + "attention.key_length", width / heads, kWidths);
  if (gguf.integer(prefix + "attention.value_length", head_size) != head_size)
    fail("{}: keys and values of different sizes are not supported", gguf.path().string());
  json["hidden_size"] = width;
  json["num_attention_heads"] = heads;
  json["num_hidden_layers"] = layers;
  json["head_dim"] = head_size;
  json["num_key_value_heads"] = gguf.integer(prefix + "attention.head_count_kv", heads);
  json["intermediate_size"] = gguf.integer(prefix + "feed_forward_length", {}, kWidths);
  json["max_position_embeddings"] = gguf.integer(prefix + "context_length", 2048, kContexts);
  const bool rms = family != "stablelm" && family != "cohere" && family != "starcoder2";
  json[rms                      ? "rms_norm_eps"
       : family == "starcoder2" ? "norm_epsilon"
                                : "layer_norm_eps"] =
      as_written(gguf.number(
          prefix + (rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"), {},
          kNormEpsilons));
  json["rope_theta"] = as_written(gguf.number(prefix + "rope.freq_base", 10000.0, kRopeBases));
  const int64_t window =
      gguf.integer(prefix + "attention.sliding_window", family == "gemma2" ? 4096 : 0);
  if (window > 0) json["sliding_window"] = window;
  if (family == "stablelm")
    json["use_parallel_residual"] = gguf.tensor("blk.0.ffn_norm.weight") == nullptr;
  if (family == "cohere") json["logit_scale"] = as_written(gguf.number(prefix + "logit_scale"));
  if (family == "gemma2") {
    json["attn_logit_softcapping"] =
        as_written(gguf.number(prefix + "attn_logit_softcapping", 50.0));
    json["final_logit_softcapping"] =
        as_written(gguf.number(prefix + "final_logit_softcapping", 30.0));
  }
  if (family == "gemma3_text") {
    json["rope_local_base_freq"] =
        as_written(gguf.number(prefix + "rope.freq_base_swa", 10000.0, kRopeBases));
    if (window == 0)
      json["layer_types"] = std::vector<std::string>(static_cast<size_t>(layers), "full_attention");
  }
  if (family == "falcon_h1") add_ssm_to(json, gguf, prefix);
  return json;
}

int64_t vocabulary_of(const Gguf& gguf) {
  const GgufTensor* embedding = gguf.tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2)
    fail("{}: has no tensor token_embd.weight; it may hold a vocabulary alone",
         gguf.path().string());
  return embedding->shape[0];
}

ModelConfig read_falcon(const Gguf& gguf) {
  const std::string where = gguf.path().string();
  ModelConfig m;
  m.family = "falcon";
  m.layers = gguf.integer("falcon.block_count", {}, kLayerCounts);
  m.width = gguf.integer("falcon.embedding_length", {}, kWidths);
  m.heads = gguf.integer("falcon.attention.head_count", {}, kHeadCounts);
  m.groups = gguf.integer("falcon.attention.head_count_kv", m.heads, kHeadCounts);
  m.head_size = m.width / m.heads;
  m.mlp_width = gguf.integer("falcon.feed_forward_length", {}, kWidths);
  m.context = gguf.integer("falcon.context_length", 2048, kContexts);
  m.norm_eps = as_written(gguf.number("falcon.attention.layer_norm_epsilon", {}, kNormEpsilons));
  m.rope_base = as_written(gguf.number("falcon.rope.freq_base", 10000.0, kRopeBases));
  m.rope_dims = gguf.integer("falcon.rope.dimension_count", m.head_size);
  if (m.rope_dims != m.head_size)
    fail("{}: {} of the {} dimensions of a head are rotated; a Falcon model's are all", where,
         m.rope_dims, m.head_size);
  if (gguf.text("falcon.rope.scaling.type", "none") != "none")
    fail("{}: its positions are scaled, which is not supported", where);
  m.vocab = vocabulary_of(gguf);
  m.shared_norm = gguf.tensor("blk.0.attn_norm_2.weight") == nullptr;
  m.tied_head = gguf.tensor("output.weight") == nullptr;
  return m;
}

ModelConfig read_family(const Gguf& gguf, const GgufFamily& known) {
  const std::string prefix = std::string(known.architecture) + ".", where = gguf.path().string();
  std::string family = known.family;
  if (gguf.integer(prefix + "expert_count", 0) > 0)
    fail("{}: is a mixture of experts, which is not supported", where);
  // Windows are what a Mistral has beside a LLaMA.
  if (family == "llama" && gguf.integer(prefix + "attention.sliding_window", 0) > 0)
    family = "mistral";
  nlohmann::json json = config_in(gguf, prefix, family);
  json["vocab_size"] = vocabulary_of(gguf);
  ModelConfig m = architecture(family).read_config(json, where);
  m.family = family;
  m.rope_dims = gguf.integer(prefix + "rope.dimension_count", m.head_size);
  read_gguf_scaling(gguf, prefix, m);
  if (gguf_window_period(m) > 0)
    m.score_scale = 1 / std::sqrt(static_cast<double>(gguf_score_divisor(m)));
  const auto there = [&](const char* name) { return gguf.tensor(name) != nullptr; };
  m.qkv_bias = there("blk.0.attn_q.bias") || there("blk.0.attn_qkv.bias");
  m.dense_bias = there("blk.0.attn_output.bias");
  m.mlp_bias = there("blk.0.ffn_down.bias");
  m.tied_head = !there("output.weight");
  return m;
}

}  // namespace

bool knows_gguf_architecture(const Gguf& gguf) {
  return family_of(gguf.text("general.architecture", "")) != nullptr;
}

const char* gguf_architecture(const ModelConfig& config) {
  for (const GgufFamily& one : kFamilies)
    if (config.family == one.family) return one.architecture;
  fail("models of the family \"{}\" cannot be exported as GGUF, only those of llama.cpp's {}",
       config.family, known_architectures());
}

bool gguf_has_head(const ModelConfig& m) { return m.family == "olmo2" || m.family == "stablelm"; }

ModelConfig read_gguf_config(const Gguf& gguf) {
  const std::string where = gguf.path().string();
  const std::string_view architecture = gguf.text("general.architecture");
  const GgufFamily* known = family_of(architecture);
  if (known == nullptr)
    fail("{}: is a model of the architecture \"{}\"; of GGUF files those of {} can be read", where,
         printable(architecture), known_architectures());
  if (const std::string_view type = gguf.text("general.type", "model"); type != "model")
    fail("{}: holds {}, not a model; give it where it belongs", where, printable(type));
  ModelConfig m = architecture == "falcon" ? read_falcon(gguf) : read_family(gguf, *known);
  m.eos_ids = ends_in_gguf(gguf);
  m.bos_id = token_id_in_gguf(gguf, "tokenizer.ggml.bos_token_id");
  return m;
}

}  // namespace falconer
