#include "text/grammar/token_trie.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace falconer::grammar {
namespace {

constexpr uint32_t kMostCharacters = 32;  // of a token that counts as plain

/// As of TokenTrie::Node.
uint32_t plain_characters(std::string_view bytes) {
  for (const char byte : bytes)
    if (static_cast<uint8_t>(byte) < 0x20 || byte == '"' || byte == '\\')
      return TokenTrie::kNotPlain;
  const size_t whole = valid_utf8_prefix(bytes);
  if (whole < bytes.size() && !incomplete_utf8(bytes.substr(whole))) return TokenTrie::kNotPlain;
  const auto characters = static_cast<uint32_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
  return characters <= kMostCharacters ? characters : TokenTrie::kNotPlain;
}

}  // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer)
    : vocab_size_(tokenizer.vocab_size()), bytes_(static_cast<size_t>(vocab_size_)) {
  for (int32_t id = 0; id < vocab_size_; ++id) {
    if (!tokenizer.has(id) || tokenizer.is_special(id)) continue;
    std::string bytes = tokenizer.token_bytes(id);
    if (bytes.empty() || bytes.size() > UINT16_MAX) continue;
    bytes_[id] = std::move(bytes);
    ids_.push_back(id);
  }
  std::sort(ids_.begin(), ids_.end(),
            [&](int32_t a, int32_t b) { return std::tie(bytes_[a], a) < std::tie(bytes_[b], b); });
  plain_.assign(kMostCharacters + 1, std::vector<bool>(static_cast<size_t>(vocab_size_)));
  std::vector<uint32_t> path;  // nodes of the token before
  std::string_view before;
  const auto leave = [&](size_t depth) {
    while (path.size() > depth) {
      nodes_[path.back()].next = static_cast<uint32_t>(nodes_.size());
      path.pop_back();
    }
  };
  for (size_t i = 0; i < ids_.size(); ++i) {
    const std::string& bytes = bytes_[ids_[i]];
    const auto parted = std::mismatch(before.begin(), before.end(), bytes.begin(), bytes.end());
    leave(static_cast<size_t>(parted.second - bytes.begin()));
    while (path.size() < bytes.size()) {
      const size_t depth = path.size();
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<uint8_t>(bytes[depth]),
                        .depth = static_cast<uint16_t>(depth),
                        .first = static_cast<uint32_t>(i)});
    }
    ++nodes_[path.back()].count;
    const uint32_t characters = plain_characters(bytes);
    for (const uint32_t node : path)
      nodes_[node].characters = std::max(nodes_[node].characters, characters);
    for (uint32_t room = characters; room <= kMostCharacters; ++room) plain_[room][ids_[i]] = true;
    before = bytes;
  }
  leave(0);
}

}  // namespace falconer::grammar
