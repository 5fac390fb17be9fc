// Text to token ids with labels: prompt and answer, end-of-text, truncation, masking.
#pragma once

#include <string>

#include "data/dataset.h"

namespace falconer {

class Tokenizer;

struct EncodedRow {
  Row row;
  bool truncated = false;
};

/// Separate: encode(prompt) + encode(answer) + end-of-text. Joint (Lit-Parrot, June 2023):
/// encode(prompt + answer) + end-of-text, where the mask covers as many tokens as the prompt has
/// alone. A row longer than max_seq_length is cut at its end; with keep_eos its last token is then
/// end-of-text. Masking is by position, never by token id.
EncodedRow encode_example(const Example& example, const Tokenizer& tokenizer,
                          const EncodeOptions& options);

/// The text before the answer.
std::string prompt_of(const Example& example, const EncodeOptions& options);

}  // namespace falconer
