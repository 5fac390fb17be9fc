// A unigram language model over subwords, as SentencePiece trains: of all ways to write a piece as tokens the one whose
// scores sum to the most.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/subword_model.h"

namespace falconer {

/// Which tokens begin at a place of a text.
class TokenTrie {
 public:
  struct Node {
    int32_t token = -1;        // that ends here; -1 where none does
    uint32_t first_child = 0;  // they follow one another, by their bytes
    uint16_t children = 0;
    uint8_t byte = 0;  // that leads here
  };

  TokenTrie() : nodes_(1) {}
  /// Of tokens that are spelled alike the last counts, as in `tokenizers`. None is empty. Error: more than a few
  /// million bytes in all.
  explicit TokenTrie(std::vector<std::pair<std::string_view, int32_t>> tokens);

  const Node& root() const { return nodes_.front(); }
  /// Null where no token goes on with `byte`.
  const Node* next(const Node& node, char byte) const;
  /// The token that is spelled `text`; -1 where there is none.
  int32_t find(std::string_view text) const;

 private:
  std::vector<Node> nodes_;
};

class UnigramEncoder final : public SubwordModel {
 public:
  /// From the "model" of a tokenizer.json. Errors: a score is no number, "unk_id" is none of its tokens, a token is
  /// longer than any tokenizer's.
  explicit UnigramEncoder(const nlohmann::json& model);

 private:
  void encode_piece(std::string_view piece, std::vector<int32_t>& ids) const override;
  /// Characters without a token that follow one another.
  void append_unknown(std::string_view run, std::vector<int32_t>& ids) const;

  TokenTrie trie_;
  std::vector<double> scores_;  // by token
  double unknown_score_ = 0;    // of a character without a token
  int32_t unknown_ = -1;
  bool byte_fallback_ = false;
  std::array<int32_t, 256> byte_ids_{};  // "<0x0A>"; -1 where there is none
};

}  // namespace falconer
