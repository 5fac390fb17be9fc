// What a tokenizer is made of, read from its files. Errors name the part that is wrong or not supported.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "text/added_token_files.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_decoder.h"
#include "text/vocabulary.h"

namespace falconer {

/// Name -> content.
using TokenizerFiles = std::map<std::string, std::string>;

/// Kinds of tokens that files name: "eos" of "eos_token".
inline constexpr const char* kTokenKinds[] = {"bos", "eos", "unk", "sep", "pad", "cls", "mask"};

/// Whether the files, of which it is asked by name, are those of a tokenizer.
bool are_of_tokenizer(const std::function<bool(const char* name)>& has);
/// The one that the tokenizer is read from.
const char* main_file_of(const TokenizerFiles& files);

/// Errors: it is no JSON, no object, or nested beyond all measure.
nlohmann::json parse_tokenizer_file(const TokenizerFiles& files, const char* name);
/// One that may be missing: then null.
nlohmann::json parse_optional_file(const TokenizerFiles& files, const char* name);

/// The tokenizer.json among the files; without one what transformers makes of GPT-2's vocab.json and merges.txt, or of
/// SentencePiece's tokenizer.model. Errors: none of them is there; a file is wrong.
MadeTokenizer read_tokenizer_json(const TokenizerFiles& files);

/// The text that names a token: a string, or an object with its content.
std::optional<std::string> token_name(const nlohmann::json& name);
/// Those that are looked for in normalized text, or those before.
std::vector<AddedToken> added_tokens_of(std::vector<AddedToken> tokens, bool normalized);
/// In a text that was normalized a token is looked for as normalizing leaves it.
std::vector<AddedToken> normalized_tokens(const std::vector<AddedToken>& tokens,
                                          const Normalizer& normalizer);

/// The bytes that a token of the vocabulary stands for: in a byte-level one what it spells. One that
/// is not spelled in the byte-level alphabet stands for itself, as in `tokenizers`.
std::string token_bytes_of(const std::string& spelling, bool byte_level);
/// Error: two tokens share an id.
Vocabulary read_vocabulary(const nlohmann::json& file, const std::vector<AddedToken>& added,
                           bool bytes);
/// Tokens of bytes are joined, those of characters have a decoder of their own.
TokenDecoder read_decoder(const nlohmann::json& decoder, bool bytes);
/// The normalizer and the pre-tokenizer of a file, which go together.
PreTokenizer read_pre_tokenizer(const nlohmann::json& settings, const Normalizer& normalizer);

}  // namespace falconer
