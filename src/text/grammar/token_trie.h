// The tokens of a vocabulary as a tree of their bytes, for going through those that a grammar allows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace falconer {
class Tokenizer;
}

namespace falconer::grammar {

/// Immutable; safe to use from many threads.
class TokenTrie {
 public:
  /// All tokens that are text: no special ones, and none without bytes.
  explicit TokenTrie(const Tokenizer& tokenizer);

  /// Nodes in the order of a walk that goes down first: behind a node come those below it.
  struct Node {
    uint8_t byte = 0;
    uint16_t depth = 0;  // bytes before this one
    uint32_t next = 0;   // behind all below it
    uint32_t characters =
        0;  // the most that a token here or below has, where all are plain; else kNotPlain
    uint32_t first = 0, count = 0;  // of `ids`, of the tokens that end here
  };
  static constexpr uint32_t kNotPlain = UINT32_MAX;

  const std::vector<Node>& nodes() const { return nodes_; }
  std::span<const int32_t> ids(const Node& node) const {
    return std::span(ids_).subspan(node.first, node.count);
  }
  /// A token is plain where it can stand within a JSON text: whole characters in UTF-8, none of them ", \ or a control
  /// character; the last one may be incomplete. Which of them have at most so many characters.
  const std::vector<bool>& plain(uint32_t characters) const {
    return plain_[std::min<size_t>(characters, plain_.size() - 1)];
  }
  int32_t vocab_size() const { return vocab_size_; }
  const std::string& bytes(int32_t id) const { return bytes_[id]; }
  bool is_text(int32_t id) const { return id >= 0 && id < vocab_size_ && !bytes_[id].empty(); }

 private:
  int32_t vocab_size_ = 0;
  std::vector<std::string> bytes_;  // by id; empty: it is no text
  std::vector<Node> nodes_;
  std::vector<int32_t> ids_;
  std::vector<std::vector<bool>> plain_;
};

}  // namespace falconer::grammar
