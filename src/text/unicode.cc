#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
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
         kind == UTF8PROC_CATEGORY_PC ||
         between(kind, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME) || is_more_of_words(code);
}

bool is_mark(char32_t code) {
  if (code == 0x1CF2 || code == 0x1CF3) return true;  // they were then
  return between(category(code), UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME) &&
         !is_newer_than_unicode_9(code);
}

namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

void append_normal_form(std::string_view text, int options, std::string& out) {
  if (text.empty()) return;
  utf8proc_uint8_t* made = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &made,
                                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | options));
  if (length < 0) fail("cannot normalize text: {}", utf8proc_errmsg(length));
  out.append(reinterpret_cast<const char*>(made), static_cast<size_t>(length));
  std::free(made);
}

char32_t lower_case(char32_t code) {
  // Pairs later than Unicode 14.
  for (const char32_t upper : {0x1C89, 0xA7CC, 0xA7CE, 0xA7D2, 0xA7D4, 0xA7DA})
    if (code == upper) return code + 1;
  if (code == 0xA7CB) return 0x264;
  if (code == 0xA7DC) return 0x19B;
  if (code >= 0x10D50 && code <= 0x10D65) return code + 0x20;
  if (code >= 0x16EA0 && code <= 0x16EB8) return code + 0x1B;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

}  // namespace

// A character that came later stands between its neighbours as one that combines with nothing, so
// that what lies before and behind it is normalized by itself.
std::string to_normal_form(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  const bool composed = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const int options = static_cast<int>(composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                      (compatible ? static_cast<int>(UTF8PROC_COMPAT) : 0);
  std::string result;
  result.reserve(text.size());
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (c.code >= 0x80 && is_newer_than_unicode_9(c.code)) {
      append_normal_form(text.substr(done, at - done), options, result);
      result.append(text.substr(at, c.length));
      done = at + c.length;
    }
    at += c.length;
  }
  append_normal_form(text.substr(done), options, result);
  return result;
}

std::string to_lower_case(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    at += c.length;
    if (c.code < 0x80)
      result.push_back(static_cast<char>(c.code >= 'A' && c.code <= 'Z' ? c.code + 32 : c.code));
    else if (c.code == 0x130)  // the only one that becomes two
      result += "i\u0307";
    else
      append_utf8(result, lower_case(c.code));
  }
  return result;
}

}  // namespace falconer
