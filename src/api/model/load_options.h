// How rows are read: the same way by every command that reads them as finetune does.
#pragma once

#include <algorithm>

#include "api/common.h"
#include "data/load.h"

namespace falconer {

/// Ids that rows may have: those of the model's `vocab` rows, and with --resize-embeddings also those of the
/// tokenizer.
inline int64_t vocab_with(int64_t vocab, const std::optional<Tokenizer>& tokenizer, bool resize) {
  return resize && tokenizer ? std::max<int64_t>(vocab, tokenizer->vocab_size()) : vocab;
}

/// `Options`: FinetuneOptions, or others whose fields of the same names mean the same.
template <class Options>
LoadOptions load_options_of(const Options& o, const std::string& checkpoint, int64_t vocab) {
  return {.encode = {.train_on = train_on_of(o.train_on, o.mask_prompt),
                     .parse_special = o.parse_special,
                     .max_seq_length = o.max_seq_length},
          .vocab = vocab,
          .test_size = o.test_size,
          .skip_bad = o.skip_bad,
          .columns = o.columns,
          .strict_columns = o.strict_columns,
          .read_as = read_as(o.delimiter, o.encoding),
          .format = o.data_format,
          .prompt_style = o.prompt_style,
          .checkpoint = template_files(checkpoint)};
}

}  // namespace falconer
