// What llama.cpp has not.
#include <cmath>

#include "base/error.h"
#include "model/arch/gguf_config.h"
#include "model/arch/gguf_rules.h"

namespace falconer {
namespace {

class GgufCheck {
 public:
  explicit GgufCheck(const ModelConfig& m) : m_(m) {}

  void falcon() const {
    refuse_if(m_.alibi, "ALiBi (as falcon-rw has it)");
    refuse_if(m_.qkv_bias || m_.dense_bias || m_.mlp_bias,
              "biases in its linear layers (falcon-rw, or a merged Adapter v2)");
    refuse_if(!m_.parallel, "attention and MLP one after the other");
    refuse_if(m_.rope_scaling.type != RopeType::kDefault, "scaled rotation");
  }

  void others() const {
    const bool llama = is("llama") || is("mistral");
    refuse_if(m_.qkv_bias && !(llama || is("qwen2") || is("stablelm") || is("starcoder2")),
              "biases of queries, keys and values");
    refuse_if(m_.ssm.in_bias || m_.ssm.out_bias,
              "biases in its state space mixers (mamba_proj_bias, projectors_bias)");
    const bool biased = llama || is("starcoder2");
    refuse_if((m_.dense_bias && !biased) || (m_.mlp_bias && !biased && !is("falcon_h1")),
              "biases behind attention and in the MLP (a merged Adapter v2 has them)");
    refuse_if(!m_.bias() && is("starcoder2"), "linear layers without biases");
    const bool gelu = is_gemma(m_) || is("starcoder2");
    refuse_if(m_.activation != (gelu ? Activation::kGeluTanh : Activation::kSilu),
              "other activation than its own in the MLP");
    refuse_if(m_.rope_dims != m_.head_size && !is("phi3") && !is("stablelm"),
              "heads of which only a part is rotated");
    refuse_if((is("cohere") || is("starcoder2")) && m_.q_rows() != m_.width,
              "heads that are not together as wide as the model");
    refuse_if((is_gemma(m_) || is("cohere")) && !m_.tied_head,
              "head of its own beside the embedding");
    refuse_if(is("falcon_h1") && m_.tied_head && m_.embedding_scale == 0,
              "head that is the embedding times 0 (embedding_multiplier)");
    scores();
    windows();
    rotation();
  }

 private:
  bool is(const char* family) const { return m_.family == family; }
  void refuse_if(bool lacks, std::string_view what) const {
    if (lacks)
      fail(
          "llama.cpp cannot compute this model: its {} has no {}. Export it with --format hf "
          "instead",
          is("falcon") ? "Falcon" : gguf_architecture(m_), what);
  }

  void scores() const {
    const double usual = 1 / std::sqrt(static_cast<double>(gguf_score_divisor(m_)));
    refuse_if(m_.score_scale != 0 && std::fabs(m_.score_scale - usual) > 1e-6 * usual,
              fmt::format("scores divided by the root of {:g} (query_pre_attn_scalar), only by "
                          "that of {}",
                          1 / (m_.score_scale * m_.score_scale), gguf_score_divisor(m_)));
    refuse_if(is("gemma2") && (m_.score_cap == 0 || m_.logit_cap == 0),
              "way to do without soft caps of scores and logits");
    refuse_if(!is("gemma2") && (m_.score_cap != 0 || m_.logit_cap != 0),
              "soft caps of scores or logits");
  }

  void windows() const {
    const int64_t period = gguf_window_period(m_);
    const int64_t window =
        m_.windows.empty() ? 0 : *std::max_element(m_.windows.begin(), m_.windows.end());
    refuse_if(is("gemma2") && window == 0, "layers without windows alone");
    if (window == 0) return;
    for (int64_t i = 0; i < m_.layers; ++i) {
      const bool slides = period == 0 || (i + 1) % period != 0;
      refuse_if(m_.window(i) != (slides ? window : 0),
                period == 0 ? "windows in some layers alone"
                            : "other pattern of layers with and without windows than its own");
    }
    refuse_if(period == 0 && !is("mistral") && !is("phi3") && !is("starcoder2"), "windows");
  }

  void rotation() const {
    const RopeScaling& s = m_.rope_scaling;
    const bool llama = is("llama") || is("mistral");
    refuse_if(s.type == RopeType::kDynamic, "\"dynamic\" scaling of positions");
    refuse_if(s.type == RopeType::kLlama3 && !llama, "\"llama3\" scaling of positions");
    refuse_if(s.type == RopeType::kLongRope && !llama && !is("phi3"),
              "\"longrope\" scaling of positions");
    refuse_if(s.type == RopeType::kYarn && (s.attention_factor || s.mscale || s.mscale_all_dim ||
                                            !s.truncate || gguf_window_period(m_) > 0),
              "such \"yarn\" scaling of positions (a factor on attention, or bounds that are not "
              "whole)");
  }

  const ModelConfig& m_;
};

}  // namespace

void check_gguf_model(const ModelConfig& m) {
  gguf_architecture(m);  // or the family is not known there
  const GgufCheck check(m);
  m.family == "falcon" ? check.falcon() : check.others();
}

}  // namespace falconer
