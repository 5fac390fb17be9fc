// Examples to token ids with labels: rendering, end-of-text, truncation, masking.
#pragma once

#include <vector>

#include "data/dataset.h"

namespace falconer {

class PromptEncoder;
class Tokenizer;

/// An answer that is learned, by its place in the row before that was cut.
struct LearnedAnswer {
  size_t message = 0;  // its number
  size_t begin = 0, end = 0;
  bool ends = false;  // with a token that stops a model
};

struct EncodedRows {
  std::vector<Row> rows;  // one, or a text's parts; none where there are no tokens
  int64_t lost = 0;       // tokens that were cut
  std::vector<LearnedAnswer> answers;
  std::vector<int32_t> spelled;  // special tokens whose text messages have
};

/// The conversation up to its last answer, rendered and tokenized by `encoder`; labels are where
/// answers are, by their places, never by looking for tokens. A row longer than max_seq_length is
/// cut at its end; with keep_eos an answer that is cut ends with the token that ends a turn. Errors:
/// the template refuses the messages; it hides where an answer that is to be learned lies.
EncodedRows encode_example(const Example& example, const Tokenizer& tokenizer,
                           const PromptEncoder& encoder, const EncodeOptions& options);

}  // namespace falconer
