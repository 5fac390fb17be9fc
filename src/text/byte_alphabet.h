// The byte-level alphabet of GPT-2: each of the 256 bytes is written as one printable character, so
// that a vocabulary file can spell any bytes. A space is "Ġ", a line feed "Ċ".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace falconer {

/// The character that stands for `byte`.
char32_t byte_to_char(unsigned char byte);
/// Bytes as a vocabulary file spells them.
std::string spell_bytes(std::string_view bytes);
/// The bytes that `spelling` stands for; nothing where a character is outside the alphabet.
std::optional<std::string> unspell_bytes(std::string_view spelling);

}  // namespace falconer
