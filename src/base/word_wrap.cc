#include "base/word_wrap.h"

#include <algorithm>
#include <utility>

#include "base/terminal.h"

namespace falconer {

void WordWrap::put_word(std::string& out) {
  const std::string word = std::exchange(word_, {}), spaces = std::exchange(spaces_, {});
  const size_t wide = columns_of(word);
  // The spaces of an indent stay, and so do those before what fits on no line.
  const bool breaks = column_ > 0 && column_ + spaces.size() + wide > columns_ && !spaces.empty();
  out += breaks ? "\n" : spaces;
  out += word;
  column_ = (breaks ? 0 : column_ + spaces.size()) + wide;
  if (column_ > columns_) column_ %= std::max<size_t>(1, columns_);  // the terminal broke it
}

std::string WordWrap::add(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\n') {
      word_ += c;
      continue;
    }
    if (!word_.empty()) put_word(out);
    if (c == ' ') {
      spaces_ += c;
      continue;
    }
    spaces_.clear();
    out += c;
    column_ = 0;
  }
  // What fills a line is no word of a language that parts them.
  if (columns_of(word_) >= columns_) put_word(out);
  return out;
}

std::string WordWrap::end() {
  std::string out;
  if (!word_.empty()) put_word(out);
  return out;
}

}  // namespace falconer
