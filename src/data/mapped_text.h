// A file's text, read where it lies, of which no more than a part is resident at a time; or a text in memory.
#pragma once

#include <optional>
#include <string_view>

#include "base/file.h"

namespace falconer {

class MappedText {
 public:
  /// Without a byte order mark. Errors: as MappedFile.
  explicit MappedText(const std::filesystem::path& file);
  /// The same of a text that outlives it.
  static MappedText of(std::string_view text);

  std::string_view text() const { return text_; }
  /// What lies before `at` is not needed any more.
  void pass(const char* at);

 private:
  MappedText() = default;
  void skip_byte_order_mark();

  std::optional<MappedFile> file_;  // none: a text in memory
  std::string_view text_;
  size_t passed_ = 0;
};

}  // namespace falconer
