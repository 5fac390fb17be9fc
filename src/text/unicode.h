// The character classes that pre-tokenizers speak of, and normalization.
#pragma once

#include <string>
#include <string_view>

#include "base/utf8.h"

namespace falconer {

bool is_letter(char32_t code);       // \p{L}
bool is_number(char32_t code);       // \p{N}
bool is_space(char32_t code);        // \s: White_Space
bool is_punctuation(char32_t code);  // ASCII punctuation and \p{P} of Unicode 8
bool is_word(char32_t code);         // \w

/// Normalization form C. `text` must be valid UTF-8.
std::string to_nfc(std::string_view text);

}  // namespace falconer
