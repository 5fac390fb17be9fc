#include "text/unicode.h"

#include <utf8proc.h>

#include <cstdlib>

#include "base/error.h"
#include "text/unicode_ranges.h"

namespace falconer {
namespace {

utf8proc_category_t category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

bool between(utf8proc_category_t value, utf8proc_category_t first, utf8proc_category_t last) {
  return value >= first && value <= last;
}

}  // namespace

bool is_letter(char32_t code) {
  if (code < 0x80) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
  return between(category(code), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO) || is_new_letter(code);
}

bool is_number(char32_t code) {
  if (code < 0x80) return code >= '0' && code <= '9';
  return between(category(code), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO) || is_new_number(code);
}

bool is_space(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0D);
  return code == 0x85 || between(category(code), UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP);
}

bool is_punctuation(char32_t code) {
  if (code < 0x80) return code > ' ' && code < 0x7F && !is_letter(code) && !is_number(code);
  return was_punctuation(code);
}

bool is_word(char32_t code) {
  const auto kind = category(code);
  return is_letter(code) || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_PC || between(kind, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

std::string to_nfc(std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length < 0) fail("cannot normalize text to NFC: {}", utf8proc_errmsg(length));
  std::string result(reinterpret_cast<const char*>(composed), static_cast<size_t>(length));
  std::free(composed);
  return result;
}

}  // namespace falconer
