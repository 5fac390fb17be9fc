// A file's text, read where it lies, of which no more than a part is resident at a time.
#pragma once

#include <string_view>

#include "base/file.h"

namespace falconer {

class MappedText {
 public:
  /// Without a byte order mark. Errors: as MappedFile.
  explicit MappedText(const std::filesystem::path& file);

  std::string_view text() const { return text_; }
  /// What lies before `at` is not needed any more.
  void pass(const char* at);

 private:
  MappedFile file_;
  std::string_view text_;
  size_t passed_ = 0;
};

}  // namespace falconer
