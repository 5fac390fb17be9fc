// Text of other encodings as UTF-8.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace falconer {

/// "" where `name` is UTF-8 or empty; else the system's name of the encoding, which Python's may be
/// ("latin-1", "cp1252", "utf-16", "gbk"). Error (usage): the system knows none of that name.
std::string find_encoding(const std::string& name);

/// A stream of bytes in one encoding, by the system's iconv.
class TextDecoder {
 public:
  /// `encoding` is one that find_encoding() gives.
  explicit TextDecoder(const std::string& encoding);
  TextDecoder(TextDecoder&&) noexcept;
  ~TextDecoder();

  /// Puts behind `out` what `bytes` say, which follow what was given before. Returns how many of them were
  /// used: behind them stands a part of a character. Errors: bytes that are no text in this encoding, with
  /// their place in the stream; with `last`, a part of a character at the end.
  size_t decode(std::span<const std::byte> bytes, bool last, std::string& out);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace falconer
