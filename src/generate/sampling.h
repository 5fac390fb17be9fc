// Choosing the next token from its logits.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace falconer {

struct SamplingOptions {
  double temperature = 0.8;  // 0: the most likely token
  int64_t top_k = 50;        // 0: all
  double top_p = 1;          // 0: the most likely token
  double min_p = 0;      // tokens less likely than this share of the most likely one are left out
  double typical_p = 1;  // the most typical tokens with this share
  uint64_t seed = 1;
  // What came before changes the logits, also of the most likely token.
  double repetition_penalty = 1;     // of tokens of prompt and answer
  double presence_penalty = 0;       // of tokens of the answer
  double frequency_penalty = 0;      // of tokens of the answer, for each time
  int64_t no_repeat_ngram_size = 0;  // so many tokens in a row come once; 0: as often as they like
  std::map<int32_t, double> logit_bias;  // is added to a token's logit

  bool changes_logits() const;
};

/// The tokens of a sequence so far.
struct TokenHistory {
  std::span<const int32_t> prompt, answer;
};

/// The token with the largest logit, the first of equals.
int32_t most_likely(std::span<const float> logits);

/// Logits after what came before them, in this order: l + bias; of a token of the sequence l / r where l > 0,
/// l r where it is below (r: repetition_penalty; Keskar et al., CTRL, and transformers' processor); of a token
/// that the answer has c times l - c frequency - presence (OpenAI's and vLLM's formula); the least number of
/// f32 for a token that would end an n-gram which the sequence has.
void change_logits(std::span<float> logits, const TokenHistory& history,
                   const SamplingOptions& options);

struct Candidate {
  int32_t id = 0;
  double weight = 0;  // its probability, times the same number for all
};
/// What is drawn from, the most likely first, as transformers' warpers leave it: logits over the temperature;
/// of these exactly top_k (of equal ones those with lower ids); the smallest set of most likely ones whose
/// share is at least top_p; those with at least min_p of the largest probability; the smallest set of those
/// whose -ln p is nearest to the entropy, whose share is at least typical_p (Meister et al., Locally Typical
/// Sampling). Never empty.
std::vector<Candidate> candidates(std::span<const float> logits, const SamplingOptions& options);

/// Token number `index` of stream `stream`: a pure function of its arguments, whose logits change_logits()
/// has seen. Draws one of the candidates. Error: a logit that is not finite.
int32_t sample(std::span<const float> logits, const SamplingOptions& options, uint32_t stream,
               uint64_t index);

}  // namespace falconer
