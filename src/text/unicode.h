// The character classes that pre-tokenizers speak of, and normalization.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace falconer {

bool is_letter(char32_t code);       // \p{L}
bool is_number(char32_t code);       // \p{N}
bool is_space(char32_t code);        // \s: White_Space
bool is_punctuation(char32_t code);  // ASCII punctuation and \p{P} of Unicode 8
bool is_word(char32_t code);         // \w
bool is_mark(char32_t code);         // \p{M} of Unicode 9

/// A normal form as Unicode 9 has it, which is what `tokenizers` goes by. `text` must be valid UTF-8.
enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };
std::string to_normal_form(std::string_view text, NormalForm form);

/// Each character by itself, whatever stands beside it. `text` must be valid UTF-8.
std::string to_lower_case(std::string_view text);

}  // namespace falconer
