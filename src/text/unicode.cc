#include "text/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "text/unicode_ranges.h"

namespace falconer {
namespace {

/// Bytes that the lead byte announces; 0 where no character begins with it.
uint32_t announced_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

/// The second byte is restricted further, against overlong forms, surrogates and > U+10FFFF.
bool valid_continuation(unsigned char lead, uint32_t index, unsigned char byte) {
  if (index == 1) {
    if (lead == 0xE0) return byte >= 0xA0 && byte <= 0xBF;
    if (lead == 0xED) return byte >= 0x80 && byte <= 0x9F;
    if (lead == 0xF0) return byte >= 0x90 && byte <= 0xBF;
    if (lead == 0xF4) return byte >= 0x80 && byte <= 0x8F;
  }
  return byte >= 0x80 && byte <= 0xBF;
}

/// How many bytes at the start of `text` agree with one character (all of it, or a beginning), and
/// how long the whole character would be. 0 where no character begins so.
struct Match {
  uint32_t matched = 0, length = 0;
};
Match match_char(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const uint32_t length = announced_length(lead);
  if (length == 0) return {};
  uint32_t matched = 1;
  while (matched < length && matched < text.size() &&
         valid_continuation(lead, matched, static_cast<unsigned char>(text[matched])))
    ++matched;
  return {matched, length};
}

utf8proc_category_t category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

bool between(utf8proc_category_t value, utf8proc_category_t first, utf8proc_category_t last) {
  return value >= first && value <= last;
}

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3Fu), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
  return {
      (lead & 0x07) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu),
      4};
}

void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    // Eight ASCII bytes at a time, then one.
    uint64_t word = 0x80;
    if (at + sizeof word <= text.size()) std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & 0x8080808080808080) == 0) {
      at += sizeof word;
      continue;
    }
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Match match = match_char(text.substr(at));
    if (match.length == 0 || match.matched < match.length) break;
    at += match.length;
  }
  return at;
}

bool incomplete_utf8(std::string_view text) {
  if (text.empty()) return false;
  const Match match = match_char(text);
  return match.matched == text.size() && match.matched < match.length;
}

std::string to_valid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t good = valid_utf8_prefix(text);
    valid.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) break;
    append_utf8(valid, 0xFFFD);
    text.remove_prefix(std::max<uint32_t>(1, match_char(text).matched));
  }
  return valid;
}

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
