// The only decode loop: prompts in, tokens out, with a cache of keys and values.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "generate/sampling.h"
#include "method/session.h"
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

struct Answer {
  std::vector<int32_t> prompt_ids, ids;  // ids: new tokens, without the end-of-text token
  std::string text;
  std::string finish_reason;  // "stop": end-of-text or a stop string; "length": max_new_tokens or
                              // the context; "cancelled": by Ctrl-C or GenerateOptions::cancel
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t decode_steps = 0;

  double prefill_tokens_per_second() const;
  double decode_tokens_per_second() const;
};

class Generator {
 public:
  /// `tokenizer` may be null where only ids are wanted (then there are no stop strings and no
  /// text).
  Generator(Session& session, const Tokenizer* tokenizer)
      : session_(session), tokenizer_(tokenizer) {}

  /// New text of prompt number `prompt`, as soon as it is certain.
  using OnText = std::function<void(size_t prompt, std::string_view text)>;

  /// Answers all prompts, decoding them together. An answer does not depend on the others: prompt i
  /// draws from random stream first_number + i, its token t numbers that t names. Errors: an empty
  /// prompt, an id outside of the vocabulary, a prompt longer than the context, a logit that is not
  /// finite (the tensor that it comes from is named).
  std::vector<Answer> generate(const std::vector<std::vector<int32_t>>& prompts,
                               const GenerateOptions& options, const OnText& on_text = {});

 private:
  struct Sequence;
  void check_prompt(const std::vector<int32_t>& ids) const;
  /// Reads the first `count` tokens of a sequence into the cache, as those of one of `length`; the logits
  /// behind the last of them go to `logits`, if it is not empty.
  void read(const Sequence& sequence, int64_t count, int64_t length, KvCache& cache,
            const View& logits);
  void prefill(Sequence& sequence, KvCache& cache, const GenerateOptions& options);
  void read_again(Sequence& sequence, KvCache& cache);
  void decode_step(std::span<Sequence* const> active, KvCache& cache,
                   const GenerateOptions& options);
  void accept(Sequence& sequence, int32_t id, const GenerateOptions& options);
  /// The next token of a sequence, out of its logits.
  int32_t choose(const Sequence& sequence, std::span<const float> logits,
                 const GenerateOptions& options) const;

  Session& session_;
  const Tokenizer* tokenizer_;
  std::vector<int32_t> ends_;
  OnText on_text_;
};

}  // namespace falconer
