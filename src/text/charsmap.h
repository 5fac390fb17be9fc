// SentencePiece's table of how characters are rewritten (precompiled_charsmap), as `tokenizers` goes by it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// Immutable.
class CharsMap {
 public:
  /// Its bytes. Error: they are no such table.
  explicit CharsMap(std::string_view bytes);

  /// `text` must be valid UTF-8. What a reader takes for one character (a letter with its marks) is looked up as a
  /// whole where it is short, and else each of its characters.
  std::string apply(std::string_view text) const;

 private:
  /// What the shortest beginning of `part` that the table has becomes; null where it has none.
  const char* find(std::string_view part) const;

  std::vector<uint32_t> trie_;  // double array
  std::string results_;         // each ends with a zero byte
};

/// Errors: a character that base64 does not have.
std::string from_base64(std::string_view text);
std::string to_base64(std::string_view bytes);

}  // namespace falconer
