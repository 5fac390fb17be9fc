#include "text/byte_alphabet.h"

#include <array>

#include "text/unicode.h"

namespace falconer {
namespace {

bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> chars;
  std::array<int16_t, 0x180> bytes;  // by character; -1: outside the alphabet

  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;  // the others take the characters from U+0100 on, in order
    for (int byte = 0; byte < 256; ++byte) {
      chars[byte] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
      bytes[chars[byte]] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet table;
  return table;
}

}  // namespace

char32_t byte_to_char(unsigned char byte) { return alphabet().chars[byte]; }

std::string spell_bytes(std::string_view bytes) {
  std::string spelling;
  for (const char byte : bytes)
    append_utf8(spelling, byte_to_char(static_cast<unsigned char>(byte)));
  return spelling;
}

std::optional<std::string> unspell_bytes(std::string_view spelling) {
  const auto& bytes = alphabet().bytes;
  std::string result;
  for (size_t at = 0; at < spelling.size();) {
    const Utf8Char c = decode_utf8(spelling, at);
    if (c.code >= bytes.size() || bytes[c.code] < 0) return std::nullopt;
    result.push_back(static_cast<char>(bytes[c.code]));
    at += c.length;
  }
  return result;
}

}  // namespace falconer
