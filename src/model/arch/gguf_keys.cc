// The shape of a model as keys of a GGUF, and the tensors that a GGUF has beside the weights.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/log.h"
#include "model/arch/gguf_config.h"
#include "model/arch/gguf_rules.h"

namespace falconer {

double as_written(double number) {
  const auto narrow = static_cast<float>(number);
  if (static_cast<double>(narrow) != number || !std::isfinite(number)) return number;
  const std::string text = fmt::format("{}", narrow);
  double read = number;
  std::from_chars(text.data(), text.data() + text.size(), read);
  return read;
}

std::vector<float> llama3_divisors(const ModelConfig& m) {
  const RopeFrequencies scaled =
      rope_frequencies(m.rope_scaling, m.rope_base, m.rope_dims, m.context);
  const RopeFrequencies plain = rope_frequencies({}, m.rope_base, m.rope_dims, m.context);
  std::vector<float> divisors;
  for (size_t i = 0; i < plain.values.size(); ++i)
    divisors.push_back(plain.values[i] / scaled.values[i]);
  return divisors;
}

namespace {

/// In f32, which is what a GGUF has; said where that is another number.
float in_f32(double number, const char* what) {
  const auto narrow = static_cast<float>(number);
  if (as_written(static_cast<double>(narrow)) != number)
    log_warning("a GGUF holds {} in 32 bits: {} becomes {}", what, number, narrow);
  return narrow;
}

void add_falcon(const ModelConfig& m, GgufMetadata& metadata) {
  const auto number = [&](const char* key, int64_t value) {
    metadata.add(std::string("falcon.") + key, static_cast<uint32_t>(value));
  };
  number("context_length", m.context);
  metadata.add("falcon.tensor_data_layout", "jploski");  // rows of attn_qkv: all q, all k, all v
  number("embedding_length", m.width);
  number("feed_forward_length", m.mlp_width);
  number("block_count", m.layers);
  number("attention.head_count", m.heads);
  number("attention.head_count_kv", m.groups);
  metadata.add("falcon.attention.layer_norm_epsilon", in_f32(m.norm_eps, "the norm's epsilon"));
  if (m.rope_base != 10000)
    metadata.add("falcon.rope.freq_base", in_f32(m.rope_base, "the rotary base"));
}

/// Keys of one architecture.
class GgufKeys {
 public:
  GgufKeys(const ModelConfig& m, GgufMetadata& metadata)
      : prefix_(std::string(gguf_architecture(m)) + "."), metadata_(metadata) {}

  void whole(const char* key, int64_t value) {
    metadata_.add(prefix_ + key, static_cast<uint32_t>(value));
  }
  void real(const char* key, double value, const char* what) {
    metadata_.add(prefix_ + key, in_f32(value, what));
  }
  void text(const char* key, const char* value) { metadata_.add(prefix_ + key, value); }
  void flag(const char* key, bool value) { metadata_.add(prefix_ + key, value); }

 private:
  std::string prefix_;
  GgufMetadata& metadata_;
};

/// longrope's factor on cosines and sines is no part of the frequencies' rule there.
double attention_factor_of(const ModelConfig& m) {
  return static_cast<double>(
      rope_frequencies(m.rope_scaling, m.rope_base, m.rope_dims, m.context).factor);
}

void add_rotation_keys(const ModelConfig& m, GgufKeys& keys) {
  const RopeScaling& s = m.rope_scaling;
  const int64_t original = s.original_context > 0 ? s.original_context : m.context;
  keys.real("rope.freq_base", m.rope_base, "the rotary base");
  if (m.family == "gemma3_text")
    keys.real("rope.freq_base_swa", m.window_rope_base, "the rotary base of layers with windows");
  if (s.type == RopeType::kLinear || s.type == RopeType::kYarn) {
    keys.text("rope.scaling.type", s.type == RopeType::kLinear ? "linear" : "yarn");
    const double longer = static_cast<double>(m.context) / static_cast<double>(original);
    keys.real("rope.scaling.factor", s.factor.value_or(longer), "the factor on positions");
  }
  if (s.type == RopeType::kYarn) {
    keys.real("rope.scaling.yarn_beta_fast", s.beta_fast, "yarn's beta_fast");
    keys.real("rope.scaling.yarn_beta_slow", s.beta_slow, "yarn's beta_slow");
  }
  if (s.type == RopeType::kLongRope) {
    keys.text("rope.scaling.type", "longrope");
    keys.real("rope.scaling.attn_factor", attention_factor_of(m), "the factor on attention");
  }
  const bool counts = s.type == RopeType::kYarn || s.type == RopeType::kLongRope ||
                      s.type == RopeType::kLlama3 || m.family == "phi3";
  if (counts) keys.whole("rope.scaling.original_context_length", original);
}

void add_window_keys(const ModelConfig& m, GgufKeys& keys) {
  const int64_t window =
      m.windows.empty() ? 0 : *std::max_element(m.windows.begin(), m.windows.end());
  if (window > 0 || m.family == "phi3") keys.whole("attention.sliding_window", window);
  if (window > 0 && window < m.context && gguf_window_period(m) == 0)
    log_warning(
        "llama.cpp computes {} without its window of {} positions: beyond these it attends to "
        "more than the model did",
        m.family, window);
}

void add_ssm_keys(const SsmConfig& ssm, GgufKeys& keys) {
  keys.whole("ssm.conv_kernel", ssm.taps);
  keys.whole("ssm.state_size", ssm.state);
  keys.whole("ssm.inner_size", ssm.width());
  keys.whole("ssm.time_step_rank", ssm.heads);
  keys.whole("ssm.group_count", ssm.groups);
}

/// llama.cpp adds a bias behind the convolution whether there is one or not.
std::vector<GgufAddition> zero_biases(const ModelConfig& m) {
  std::vector<GgufAddition> all;
  if (m.ssm.heads == 0 || m.ssm.conv_bias) return all;
  for (int64_t layer = 0; layer < m.layers; ++layer)
    all.emplace_back(fmt::format("blk.{}.ssm_conv1d.bias", layer),
                     std::vector<float>(static_cast<size_t>(m.ssm.conv_rows())));
  return all;
}

}  // namespace

std::vector<GgufAddition> gguf_additions(const ModelConfig& m) {
  const RopeScaling& s = m.rope_scaling;
  if (s.type == RopeType::kLlama3) return {{kGgufRotations[0], llama3_divisors(m)}};
  if (s.type != RopeType::kLongRope) return zero_biases(m);
  return {{kGgufRotations[1], {s.long_factors.begin(), s.long_factors.end()}},
          {kGgufRotations[2], {s.short_factors.begin(), s.short_factors.end()}}};
}

void add_gguf_config(const ModelConfig& m, GgufMetadata& metadata) {
  check_gguf_model(m);
  if (m.family == "falcon") return add_falcon(m, metadata);
  GgufKeys keys(m, metadata);
  keys.whole("block_count", m.layers);
  keys.whole("context_length", m.context);
  keys.whole("embedding_length", m.width);
  keys.whole("feed_forward_length", m.mlp_width);
  keys.whole("attention.head_count", m.heads);
  keys.whole("attention.head_count_kv", m.groups);
  add_rotation_keys(m, keys);
  keys.real(m.norm == ModelConfig::NormKind::kRms ? "attention.layer_norm_rms_epsilon"
                                                  : "attention.layer_norm_epsilon",
            m.norm_eps, "the norms' epsilon");
  keys.whole("attention.key_length", m.head_size);
  keys.whole("attention.value_length", m.head_size);
  keys.whole("vocab_size", m.vocab);
  keys.whole("rope.dimension_count", m.rope_dims);
  if (m.family == "cohere") keys.real("logit_scale", m.logit_scale, "the logits' scale");
  if (m.ssm.heads > 0) add_ssm_keys(m.ssm, keys);
  if (m.family == "stablelm") keys.flag("use_parallel_residual", m.parallel);
  if (m.family == "gemma2") {
    keys.real("attn_logit_softcapping", m.score_cap, "the scores' soft cap");
    keys.real("final_logit_softcapping", m.logit_cap, "the logits' soft cap");
  }
  add_window_keys(m, keys);
}

}  // namespace falconer
