// What is asked of a model, and what comes back.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "generate/sampling.h"
#include "text/tokenizer.h"

namespace falconer {

struct GenerateOptions {
  int64_t max_new_tokens = 256;
  SamplingOptions sampling;
  std::vector<std::string> stop;  // text that ends an answer and is not part of it
  std::vector<int32_t> stop_ids;  // tokens that end an answer beside the model's own (ends.h)
  bool ignore_eos = false;
  const std::atomic<bool>* cancel = nullptr;  // looked at before each token, as Ctrl-C is
  uint32_t first_number = 0;  // of the first prompt: it names the random stream that it draws from
};

/// ln of the probability that the model itself gives a token: before temperature, penalties and masks.
struct TokenChances {
  int32_t id = 0;
  float chosen = 0;  // of `id`
  std::vector<std::pair<int32_t, float>>
      most_likely;  // as many as were asked for, the most likely first
};

/// What may be drawn next, by a grammar. Of one answer; the thread that computes it alone uses it.
class TokenMask {
 public:
  virtual ~TokenMask() = default;
  /// `allowed` has an entry for each logit, all false: sets those of tokens that may come next. Where none is set the
  /// answer ends.
  virtual void allowed(std::vector<bool>& allowed) const = 0;
  /// A token was chosen.
  virtual void push(int32_t id) = 0;
};

struct AnswerRequest {
  std::vector<int32_t> prompt;
  std::string adapter;       // a name that the session has loaded; "": the base
  double adapter_scale = 1;  // of LoRA without magnitudes alone
  GenerateOptions options;   // cancel and first_number are not looked at
  uint32_t stream = 0;       // of random numbers
  int chances = -1;  // most likely tokens that are listed; 0: the chosen one alone; -1: none at all
  bool prompt_chances = false;      // of the prompt's tokens too, from its second on
  std::shared_ptr<TokenMask> mask;  // null: any token
  std::string user;                 // the requests of one wait for each other; users take turns
  const Tokenizer* tokenizer = nullptr;  // null: ids alone are wanted. Outlives the answer.
  std::string name = "the prompt";       // in messages about its numbers
};

struct AnswerProgress {
  std::vector<int32_t> ids;                  // new tokens, without one that ends the answer
  std::string text;                          // new text that is certain: nothing of a stop string
  std::vector<TokenChances> chances;         // of each of `ids`, where they were asked for
  std::vector<TokenChances> prompt_chances;  // with the first: of prompt[1] and those behind it
  int64_t cached_tokens = 0;  // with the first: of the prompt, that were in the cache
  /// "stop": a token or a text that ends an answer; "length": max_new_tokens or the context; "cancelled"; "error";
  /// empty: it goes on.
  std::string finish_reason;
  std::string error;
  // With the last.
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t decode_steps = 0;
};

}  // namespace falconer
