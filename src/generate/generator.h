// Prompts in, answers out: as many as there are, by the scheduler.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "generate/answer.h"
#include "method/session.h"

namespace falconer {

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
  /// Answers as the session is now. `tokenizer` may be null where only ids are wanted (then there are no stop strings
  /// and no text).
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
  Session& session_;
  const Tokenizer* tokenizer_;
};

}  // namespace falconer
