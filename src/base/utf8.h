// UTF-8: characters out of bytes and back, and what is no character.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace falconer {

/// One character of valid UTF-8.
struct Utf8Char {
  char32_t code = 0;
  uint32_t length = 0;  // bytes
};

/// The character that begins at text[at]. `text` must be valid UTF-8 and `at` < text.size().
Utf8Char decode_utf8(std::string_view text, size_t at);
void append_utf8(std::string& text, char32_t code);

/// How many leading bytes are whole, valid characters.
size_t valid_utf8_prefix(std::string_view text);
/// True where `text` is the beginning of one character and nothing more.
bool incomplete_utf8(std::string_view text);
/// Every longest part that begins no character, or breaks off, becomes U+FFFD: what Rust's
/// from_utf8_lossy and Python's errors="replace" give.
std::string to_valid_utf8(std::string_view text);

}  // namespace falconer
