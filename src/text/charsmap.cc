#include "text/charsmap.h"

#include <utf8proc.h>

#include "base/error.h"
#include "base/utf8.h"

namespace falconer {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr size_t kLongestWhole = 5;  // bytes of what is looked up as a whole

uint32_t read_word(std::string_view bytes, size_t at) {
  uint32_t word = 0;
  for (size_t i = 0; i < 4; ++i)
    word |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return word;
}

// A unit of the double array, as Darts packs it.
bool has_value(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

/// Where what a reader takes for one character ends.
size_t end_of_grapheme(std::string_view text, size_t begin) {
  Utf8Char before = decode_utf8(text, begin);
  utf8proc_int32_t state = 0;
  for (size_t at = begin + before.length; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before.code),
                                         static_cast<utf8proc_int32_t>(c.code), &state))
      return at;
    before = c;
    at += c.length;
  }
  return text.size();
}

}  // namespace

CharsMap::CharsMap(std::string_view bytes) {
  const size_t size = bytes.size() < 4 ? 0 : read_word(bytes, 0);
  if (size == 0 || size % 4 != 0 || size > bytes.size() - 4)
    fail("its precompiled_charsmap of {} bytes does not hold what it says", bytes.size());
  trie_.resize(size / 4);
  for (size_t i = 0; i < trie_.size(); ++i) trie_[i] = read_word(bytes, 4 + 4 * i);
  results_ = bytes.substr(4 + size);
  if (valid_utf8_prefix(results_) < results_.size())
    fail("its precompiled_charsmap has text that is no UTF-8");
}

const char* CharsMap::find(std::string_view part) const {
  size_t at = offset_of(trie_[0]);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return nullptr;
    at ^= byte;
    if (at >= trie_.size() || label_of(trie_[at]) != byte) return nullptr;
    const uint32_t unit = trie_[at];
    at ^= offset_of(unit);
    if (!has_value(unit)) continue;
    const size_t begin = at < trie_.size() ? value_of(trie_[at]) : results_.size();
    if (begin >= results_.size() || (results_[begin] & 0xC0) == 0x80)
      fail("its precompiled_charsmap points beyond its end");
    return results_.c_str() + begin;
  }
  return nullptr;
}

std::string CharsMap::apply(std::string_view text) const {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const std::string_view whole = text.substr(at, end_of_grapheme(text, at) - at);
    at += whole.size();
    if (whole.size() <= kLongestWhole)
      if (const char* found = find(whole)) {
        result += found;
        continue;
      }
    for (size_t i = 0; i < whole.size();) {
      const std::string_view character = whole.substr(i, decode_utf8(whole, i).length);
      const char* found = find(character);
      found != nullptr ? result.append(found) : result.append(character);
      i += character.size();
    }
  }
  return result;
}

std::string from_base64(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const size_t digit = kBase64.find(c);
    if (digit == kBase64.npos) fail("its precompiled_charsmap is not in base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count));
  }
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text.push_back(kBase64[bits >> (count - 6) & 63]);
  }
  if (count > 0) text.push_back(kBase64[bits << (6 - count) & 63]);
  while (text.size() % 4 != 0) text.push_back('=');
  return text;
}

}  // namespace falconer
