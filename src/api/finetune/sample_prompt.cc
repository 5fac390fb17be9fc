#include "api/finetune/sample_prompt.h"

#include "base/error.h"
#include "base/log.h"
#include "base/plural.h"
#include "generate/generator.h"

namespace falconer {

SamplePrompt sample_prompt(const FinetuneOptions& o, const Tokenizer* tokenizer,
                           const std::optional<PromptStyle>& style, int64_t context) {
  if (tokenizer == nullptr)
    fail_usage("--sample-prompt needs a tokenizer, and {} has none", o.checkpoint);
  SamplePrompt sample;
  if (style) {
    const PromptEncoder encoder(*tokenizer, *style, o.parse_special);
    sample.ids = encoder.prompt(Conversation::of(o.sample_prompt));
    sample.ends = encoder.end_of_turn_ids();
  } else {
    sample.ids = tokenizer->encode(o.sample_prompt);
  }
  if (std::ssize(sample.ids) >= context)
    fail_usage("--sample-prompt has {} {}, and the model's context is {}; shorten it",
               sample.ids.size(), plural(sample.ids.size(), "token"), context);
  return sample;
}

void say_answer(const SamplePrompt& sample, Session& session, const Tokenizer& tokenizer) {
  Generator generator(session, &tokenizer);
  GenerateOptions options;
  options.max_new_tokens = 100;
  options.stop_ids = sample.ends;
  log_info("sample: {}", generator.generate({sample.ids}, options).front().text);
}

}  // namespace falconer
