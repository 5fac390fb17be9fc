// SentencePiece's tokenizer.model, as one tokenizer.json.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_token_files.h"

namespace falconer {

/// What a tokenizer.model says of that which Falconer reads.
struct SentencePieceModel {
  enum Kind : uint64_t { kUnigram = 1, kBpe = 2 };
  enum Type : uint64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
  struct Piece {
    std::string text;
    float score = 0;
    uint64_t type = kNormal;
  };
  std::vector<Piece> pieces;
  uint64_t kind = kUnigram;
  bool byte_fallback = false;
  int32_t bos = 1, eos = 2, unk = 0;  // ids; below 0: none
  std::string bos_piece = "<s>", eos_piece = "</s>", unk_piece = "<unk>";
  std::string charsmap;  // how characters are rewritten; empty: as they are
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

/// Errors: the bytes are no SentencePiece model (LLaMA 3's file of that name is another's), they break off, a piece is
/// no UTF-8, or is there twice, or has a score that is no number.
SentencePieceModel parse_sentencepiece(std::string_view bytes);

/// The tokenizer.json that transformers makes of "tokenizer.model" among these files, by name, with what the files
/// beside it say: as its LlamaTokenizer where tokenizer_config.json names that one, and else by the model's own
/// settings. Errors: those of parse_sentencepiece; another kind of model than BPE and Unigram; another class of
/// tokenizer.
MadeTokenizer tokenizer_json_of_sentencepiece(const std::map<std::string, std::string>& files);

}  // namespace falconer
