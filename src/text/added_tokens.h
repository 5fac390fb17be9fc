// Tokens that are recognised in the text before anything else: special tokens, and words that were
// added to a vocabulary.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = false;                 // control, not text: left out of what a reader sees
  bool normalized = false;              // looked for after normalization, not before
  bool single_word = false;             // only where no word character touches it
  bool lstrip = false, rstrip = false;  // takes the white space before or behind it along
};

/// From one entry of "added_tokens", or of another list, which `where` names. Error: its text is longer than any such
/// token's.
AddedToken read_added_token(const nlohmann::json& json, const char* where = "its added_tokens");

/// Finds the longest added token at the leftmost place. Immutable.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  /// Whether the special token that stands at [begin, end) of a text counts as one.
  using SpecialCounts = std::function<bool(size_t begin, size_t end)>;
  /// Calls text(part) for what lies between added tokens (never empty) and token(id, end) for each, in
  /// order; `end` is where the text goes on. A special token for which `special` says no is text.
  void cut(std::string_view text, const SpecialCounts& special,
           const std::function<void(std::string_view)>& on_text,
           const std::function<void(int32_t, size_t)>& on_token) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t at,
                               const SpecialCounts& special) const;

  std::vector<AddedToken> tokens_;  // by content; equals in the order in which they were given
  std::array<bool, 256> begins_{};  // whether a token begins with the byte
};

}  // namespace falconer
