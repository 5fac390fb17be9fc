#include "data/encode.h"

#include <algorithm>

#include "base/error.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace falconer {

std::string prompt_of(const Example& example, const EncodeOptions& options) {
  if (example.rendered) return example.instruction;
  return PromptStyle::named(options.prompt_style).render(example.instruction, example.input);
}

EncodedRow encode_example(const Example& example, const Tokenizer& tokenizer,
                          const EncodeOptions& options) {
  const std::string prompt = prompt_of(example, options);
  EncodedRow made;
  Row& row = made.row;
  row.line = example.line;
  std::vector<int32_t> prompt_ids = tokenizer.encode(prompt);
  const size_t prompt_tokens = prompt_ids.size();
  if (options.joint_tokenization) {
    row.ids = tokenizer.encode(prompt + example.output);
  } else {
    row.ids = std::move(prompt_ids);
    const std::vector<int32_t> answer = tokenizer.encode(example.output);
    row.ids.insert(row.ids.end(), answer.begin(), answer.end());
  }
  const auto eos = tokenizer.eos_id();
  if (options.append_eos && eos) row.ids.push_back(*eos);
  const size_t most = static_cast<size_t>(options.max_seq_length);
  if (row.ids.size() > most) {
    row.ids.resize(most);
    made.truncated = true;
    if (options.keep_eos && options.append_eos && eos) row.ids.back() = *eos;
  }
  row.labels = row.ids;
  if (options.mask_prompt)
    std::fill_n(row.labels.begin(), std::min(prompt_tokens, row.labels.size()), kIgnoredLabel);
  return made;
}

}  // namespace falconer
