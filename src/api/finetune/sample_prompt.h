// The prompt that a run answers after each evaluation.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "falconer/finetune.h"
#include "method/session.h"
#include "text/prompt_encoder.h"

namespace falconer {

struct SamplePrompt {
  std::vector<int32_t> ids, ends;  // tokens, and those that end the answer
};

/// That of --sample-prompt, known before the run begins. `tokenizer` may be null. Errors (usage): there
/// is none, or the prompt leaves no room in the model's context.
SamplePrompt sample_prompt(const FinetuneOptions& options, const Tokenizer* tokenizer,
                           const std::optional<PromptStyle>& style, int64_t context);

/// Logs the answer of the model as it is now.
void say_answer(const SamplePrompt& sample, Session& session, const Tokenizer& tokenizer);

}  // namespace falconer
