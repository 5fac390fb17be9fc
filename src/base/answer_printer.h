// What a model answers, while it does.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/word_wrap.h"

namespace falconer {

/// Prints text that comes in pieces to stdout at once; where that is a terminal, with lines that are broken
/// between words. Errors: as print_result().
class AnswerPrinter {
 public:
  /// `column`: of the terminal, where the answer begins.
  explicit AnswerPrinter(size_t column = 0);
  void add(std::string_view text);
  /// After the last piece.
  void end();

 private:
  std::optional<WordWrap> wrap_;
};

}  // namespace falconer
