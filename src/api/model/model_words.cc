#include "api/model/model_words.h"

#include <algorithm>

#include "base/error.h"
#include "base/joined.h"

namespace falconer {
namespace {

std::string block_words(const ModelConfig& m) {
  if (m.ssm.heads > 0) return "attention and a state space mixer beside each other, then MLP";
  if (!m.parallel) return "attention, then MLP";
  return m.shared_norm ? "parallel, one norm" : "parallel, two norms";
}

std::string norm_words(const ModelConfig& m) {
  std::string words = m.norm == ModelConfig::NormKind::kRms ? "RMS" : "layer norms";
  if (m.norm == ModelConfig::NormKind::kLayer && !m.norm_bias) words += " without biases";
  if (m.norm_offset != 0) words += fmt::format(" of {:g} + w", m.norm_offset);
  words += m.norm_before && m.norm_behind ? ", before and behind attention and MLP"
           : m.norm_behind                ? ", behind attention and MLP"
                                          : ", before attention and MLP";
  if (m.head_norm == ModelConfig::HeadNorm::kEachHead) words += "; of each head's query and key";
  if (m.head_norm == ModelConfig::HeadNorm::kAllHeads) words += "; of all queries, of all keys";
  return words + fmt::format("; epsilon {:g}", m.norm_eps);
}

std::string attention_words(const ModelConfig& m) {
  std::string words = "to all positions before";
  if (!m.windows.empty()) {
    const int64_t widest = *std::max_element(m.windows.begin(), m.windows.end());
    const auto layers = std::count_if(m.windows.begin(), m.windows.end(),
                                      [](int64_t window) { return window > 0; });
    words = fmt::format(
        "within {} positions in {}", widest,
        layers == m.layers ? "every layer" : fmt::format("{} of {} layers", layers, m.layers));
  }
  if (m.qkv != ModelConfig::Qkv::kSplit) words += "; q, k and v in one matrix";
  if (m.score_scale != 0)
    words +=
        fmt::format("; scores divided by the root of {:g}", 1 / (m.score_scale * m.score_scale));
  if (m.score_cap > 0) words += fmt::format("; scores capped at {:g}", m.score_cap);
  return words;
}

std::string position_words(const ModelConfig& m) {
  if (m.alibi) return "ALiBi";
  std::string words =
      fmt::format("rotary ({} of {}), base {:g}", m.rope_dims, m.head_size, m.rope_base);
  if (m.rope_interleaved) words += ", neighbours";
  if (m.window_rope_base > 0)
    words += fmt::format(", {:g} in layers with a window", m.window_rope_base);
  const char* const names[] = {"", "linear", "dynamic", "llama3", "yarn", "longrope"};
  const RopeScaling& s = m.rope_scaling;
  if (s.type == RopeType::kDefault) return words;
  words += fmt::format("; scaled: {}", names[static_cast<size_t>(s.type)]);
  if (s.factor) words += fmt::format(" by {:g}", *s.factor);
  if (s.original_context > 0) words += fmt::format(" from {} positions", s.original_context);
  return words;
}

std::string mlp_words(const ModelConfig& m) {
  const char* const activation = m.activation == Activation::kSilu   ? "SiLU"
                                 : m.activation == Activation::kGelu ? "GELU"
                                                                     : "GELU by tanh";
  switch (m.mlp) {
    case ModelConfig::MlpKind::kPlain:
      return activation;
    case ModelConfig::MlpKind::kGated:
      return fmt::format("gated by {}", activation);
    case ModelConfig::MlpKind::kGatedInOne:
      return fmt::format("gated by {}; gate and up in one matrix", activation);
  }
  throw InternalError("an MLP without words");
}

std::string ssm_words(const ModelConfig& m) {
  const SsmConfig& s = m.ssm;
  return fmt::format("{} heads of {}, states of {}, {} group{}; convolution of {}{}", s.heads,
                     s.head_size, s.state, s.groups, s.groups == 1 ? "" : "s", s.taps,
                     s.norm ? "; a norm behind its gate" : "");
}

// Of Falcon-H1: which parts have one that is not 1.
std::string factor_words(const ModelConfig& m) {
  std::vector<std::string> parts;
  const auto add = [&](const char* of, double factor) {
    if (factor != 1) parts.push_back(fmt::format("{} {:.3g}", of, factor));
  };
  add("into attention", m.attention_in_scale);
  add("keys", m.key_scale);
  add("attention", m.attention_out_scale);
  add("into the state space mixer", m.ssm.in_scale);
  for (size_t i = 0; i < m.ssm.part_scales.size(); ++i)
    add(SsmConfig::kParts[i], m.ssm.part_scales[i]);
  add("state space mixer", m.ssm.out_scale);
  add("gate", m.gate_scale);
  add("MLP", m.down_scale);
  return joined(parts, ", ");
}

std::string bias_words(const ModelConfig& m) {
  if (m.bias()) return "in all linear layers of the blocks";
  std::vector<std::string> parts;
  if (m.qkv_bias) parts.emplace_back("q, k, v");
  if (m.dense_bias) parts.emplace_back("behind attention");
  if (m.mlp_bias) parts.emplace_back("MLP");
  if (m.ssm.in_bias) parts.emplace_back("into the state space mixer");
  if (m.ssm.out_bias) parts.emplace_back("behind it");
  return parts.empty() ? "none" : joined(parts, "; ");
}

std::string head_words(const ModelConfig& m) {
  std::string words = m.tied_head ? "tied to the embedding" : "its own";
  if (m.embedding_scale != 1) words += fmt::format("; embeddings times {:g}", m.embedding_scale);
  if (m.logit_scale != 1) words += fmt::format("; logits times {:g}", m.logit_scale);
  if (m.logit_cap > 0) words += fmt::format("; logits capped at {:g}", m.logit_cap);
  return words;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> model_words(const ModelConfig& m) {
  std::vector<std::pair<std::string, std::string>> words = {{"blocks", block_words(m)},
                                                            {"norms", norm_words(m)},
                                                            {"attention", attention_words(m)},
                                                            {"positions", position_words(m)}};
  if (m.ssm.heads > 0) words.emplace_back("ssm", ssm_words(m));
  words.emplace_back("mlp", mlp_words(m));
  if (const std::string factors = factor_words(m); !factors.empty())
    words.emplace_back("factors", factors);
  words.emplace_back("biases", bias_words(m));
  words.emplace_back("head", head_words(m));
  return words;
}

}  // namespace falconer
