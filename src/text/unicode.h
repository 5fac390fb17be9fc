// UTF-8 and the character classes that pre-tokenizers speak of.
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

bool is_letter(char32_t code);       // \p{L}
bool is_number(char32_t code);       // \p{N}
bool is_space(char32_t code);        // \s: White_Space
bool is_punctuation(char32_t code);  // ASCII punctuation and \p{P} of Unicode 8
bool is_word(char32_t code);         // \w

/// Normalization form C. `text` must be valid UTF-8.
std::string to_nfc(std::string_view text);

}  // namespace falconer
