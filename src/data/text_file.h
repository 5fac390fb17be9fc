// A plain text as rows: cut into as many tokens as a row may have.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "data/dataset.h"

namespace falconer {

class MappedText;
class Tokenizer;

/// Cuts a text into parts that can be tokenized apart: behind a line end that no white space follows,
/// where no piece of a tokenizer crosses.
class TextParts {
 public:
  static constexpr size_t kUsual = size_t{64} << 10, kMost = size_t{1} << 20;  // bytes

  explicit TextParts(std::string_view text) : rest_(text) {}
  /// The next part, of kUsual bytes or a little more; kMost where there is no place to cut at.
  std::optional<std::string_view> next();

 private:
  std::string_view rest_;
};

/// Rows in order, all of them learned; the last one ends with end-of-text. `line` of a row is that of
/// the part in which it ends. `no_text`, where it is given, is told of parts that are not UTF-8, with the
/// line in which each begins, before their rows come: with U+FFFD where bytes are no character.
using OnNoText = std::function<void(std::string_view part, int64_t line)>;
void read_text_rows(MappedText& text, const Tokenizer& tokenizer, const EncodeOptions& options,
                    const std::function<void(const Row&)>& row, const OnNoText& no_text = {});

}  // namespace falconer
