// Text that comes in pieces, laid out between words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace falconer {

/// Breaks lines of at most `columns` between words, as a terminal does not. Whole characters come in;
/// control characters but ends of lines must have been taken out (visible() in base/terminal.h). A word
/// is held back until what follows it comes.
class WordWrap {
 public:
  /// `column`: where the first line begins.
  explicit WordWrap(size_t columns, size_t column = 0) : columns_(columns), column_(column) {}

  /// What can be written now.
  std::string add(std::string_view text);
  /// The word that was held back.
  std::string end();

 private:
  void put_word(std::string& out);

  size_t columns_, column_;
  std::string spaces_, word_;  // that are not written yet
};

}  // namespace falconer
