// A tokenizer as GPT-2 came with it, vocab.json and merges.txt, as one tokenizer.json.
#pragma once

#include <map>
#include <string>

#include "text/added_token_files.h"

namespace falconer {

/// The tokenizer.json that transformers makes of the files "vocab.json" and "merges.txt", by name, with
/// what "added_tokens.json", "special_tokens_map.json" and "tokenizer_config.json" say where they are
/// there. Errors: a file is wrong; tokenizer_config.json names another kind of tokenizer.
MadeTokenizer tokenizer_json_of_gpt2(const std::map<std::string, std::string>& files);

}  // namespace falconer
