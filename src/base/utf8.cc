#include "base/utf8.h"

#include <algorithm>
#include <cstring>

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

}  // namespace falconer
