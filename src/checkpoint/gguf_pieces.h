// Vocabularies in SentencePiece's way: BPE of characters whose pieces have scores, with a token for each byte. In
// a tokenizer.json they are merges in an order, a normalizer and a decoder; in a GGUF scores and a switch.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"

namespace falconer {

/// By tokenizer.json's "model".
bool has_pieces(const nlohmann::json& model);

/// Whether a space goes before a text. Error: normalizer or pre-tokenizer do what llama.cpp does not.
bool space_before(const nlohmann::json& tokenizer, const std::string& where);

/// A score for each token: the better, the earlier it is merged. Of what no merge makes, below all others.
std::vector<float> piece_scores(const nlohmann::json& model, const std::vector<std::string>& tokens,
                                const std::string& where);

/// "<0x0A>": the token of a byte.
bool is_byte_piece(const std::string& token);

/// The "model", "normalizer", "pre_tokenizer" and "decoder" of a GGUF whose pieces have scores, but for "vocab".
nlohmann::json tokenizer_of_pieces(const Gguf& gguf);

}  // namespace falconer
