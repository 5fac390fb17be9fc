// A tokenizer between Hugging Face's files and a GGUF's metadata.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_writer.h"

namespace falconer {

/// Files of a tokenizer and of generation, which go along with a model's weights.
inline constexpr const char* kSideFiles[] = {"tokenizer.json",
                                             "tokenizer_config.json",
                                             "special_tokens_map.json",
                                             "added_tokens.json",
                                             "generation_config.json",
                                             "chat_template.jinja",
                                             "vocab.json",
                                             "merges.txt",
                                             "tokenizer.model"};

/// File name -> content, of the files of a tokenizer.
using SideFiles = std::map<std::string, std::string>;

/// Those of kSideFiles that a model has. A folder's own; for a GGUF file they are made from its
/// metadata (none where it has no tokenizer).
SideFiles side_files(const std::filesystem::path& model);

/// At the beginning of a template: a begin-of-text goes here, if the tokenizer puts one before a text. Our prompt styles
/// leave it to the tokenizer, and other programs ask a tokenizer for none where there is a template.
inline constexpr const char* kPlaceOfBegin = "{# begin of text #}";

/// The same with this chat template, in both places where programs look for one; as they are where it is
/// empty.
SideFiles with_chat_template(SideFiles files, std::string source);

struct GgufTokenizerOptions {
  int64_t vocab = 0;              // rows of the embedding; ids without a token are filled up
  std::optional<int32_t> bos_id;  // where the files do not name it
  std::vector<int32_t> ends;      // of a generation, beside the end-of-text token that they name
  const char* cut = nullptr;      // gguf_cut_name()'s `otherwise`
};
/// "tokenizer.ggml.model" and so on. A GGUF has three places for ends (end of text, of turn, of
/// message), each of which ends a generation; a warning names what has no place. `where` names the
/// model in messages. Errors: no tokenizer.json, or one with parts that llama.cpp does not have
/// (named).
void add_gguf_tokenizer(const SideFiles& files, const std::string& where,
                        const GgufTokenizerOptions& options, GgufMetadata& metadata);

/// The id of a token; nothing where the file has none: the key is missing, or says -1. Error: no id.
std::optional<int32_t> token_id_in_gguf(const Gguf& gguf, std::string_view key);

/// The tokens that end a generation, in that order.
std::vector<int32_t> ends_in_gguf(const Gguf& gguf);

/// tokenizer.json and tokenizer_config.json of a GGUF. Errors: another kind of tokenizer than
/// BPE of bytes or of SentencePiece's pieces, or an unknown way of cutting text into pieces.
SideFiles tokenizer_from_gguf(const Gguf& gguf);

}  // namespace falconer
