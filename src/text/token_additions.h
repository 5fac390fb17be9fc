// The tokens that are added to a vocabulary, by tokenizer.json and by the files beside it, as `tokenizers` and
// transformers add them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer_parts.h"

namespace falconer {

struct TokenAdditions {
  std::vector<AddedToken> tokens;  // in the order in which they were added
  size_t own = 0;                  // the first so many are of tokenizer.json
};

/// `file` is what tokenizer.json says, with the "vocab" of its model. Ids are not those that the files give but those
/// that `tokenizers` gives: a token of the vocabulary keeps its own, any other has the next one behind the
/// vocabulary and the tokens before it. Where tokenizer.json says another id that is told, as are the tokens that
/// the files beside it add. Error: bos_token or eos_token is in none of the files' lists; an entry that is none.
TokenAdditions read_added_tokens(const nlohmann::json& file, const TokenizerFiles& files,
                                 const std::string& where);

/// tokenizer.json, or what stands for it in GPT-2's two files, with these tokens in its "added_tokens" but for those
/// that are not its own and have no row among `rows`: for programs that read no file beside it.
std::string tokenizer_json_with_additions(const TokenizerFiles& files, int64_t rows,
                                          const std::string& where);

}  // namespace falconer
