// The text of a file from some place on: all of it where it is mapped, and a part that grows where it is
// unpacked, or made UTF-8, as it is read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text_decoder.h"
#include "base/unpack.h"
#include "data/mapped_text.h"

namespace falconer {

class TextWindow {
 public:
  /// No row may have more text.
  static constexpr size_t kLongestRow = size_t{256} << 20;

  /// `encoding` is as find_encoding() gives it. Errors: as MappedFile; damaged data; bytes that are no text
  /// in that encoding.
  TextWindow(const std::filesystem::path& file, Packing packing, const std::string& encoding = "");
  /// Of a text that outlives it.
  static TextWindow of(std::string_view text);
  TextWindow(TextWindow&&) = delete;

  std::string_view text() const { return text_; }
  /// Whether nothing follows text().
  bool ended() const { return ended_; }
  /// What lies before `at`, a place of text(), is not needed any more: text() begins there.
  void pass(const char* at);
  /// More is put behind text(), which is then elsewhere; nothing where it has ended. Errors: damaged data;
  /// what is there already is longer than a row may be, which begins in line `number`, or is that row.
  void more(int64_t number, std::string_view counted = "line");

 private:
  explicit TextWindow(MappedText mapped) : mapped_(std::move(mapped)), text_(mapped_->text()) {}

  bool read_more(size_t part);
  size_t read_packed(std::span<std::byte> out);

  std::optional<MappedText> mapped_;  // none: it is unpacked or made UTF-8
  std::optional<MappedFile> file_;
  std::optional<Unpacker> unpacker_;
  std::optional<TextDecoder> decoder_;
  std::string buffer_;
  size_t part_ =
      size_t{64}
      << 10;  // that is read next; it grows: who only looks at a file's begin needs little
  std::vector<std::byte> raw_;  // in the file's encoding: a part of a character
  size_t read_ = 0;             // of a file that is not packed
  size_t forgotten_ = 0;        // of the file
  bool begun_ = false, ended_ = true;
  std::string_view text_;
};

}  // namespace falconer
