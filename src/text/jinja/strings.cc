// What filters and methods of a chat template do with strings. Every part keeps its mark.
#include <utf8proc.h>

#include "base/error.h"
#include "text/jinja/library.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
using Kind = JinjaValue::Kind;
namespace {

bool stripped(std::string_view characters, char32_t code, JinjaHeap& heap) {
  if (characters.empty()) return is_jinja_space(code);
  heap.pass(characters.size());
  for (size_t at = 0; at < characters.size();) {
    const Utf8Char c = decode_utf8(characters, at);
    if (c.code == code) return true;
    at += c.length;
  }
  return false;
}

void append_case(std::string& text, char32_t code, bool upper) {
  if (upper && code == 0xDF) {  // Python writes two letters
    text += "SS";
    return;
  }
  const auto c = static_cast<utf8proc_int32_t>(code);
  append_utf8(text, static_cast<char32_t>(upper ? utf8proc_toupper(c) : utf8proc_tolower(c)));
}

/// Whether the character behind `code` is no longer the first of its word.
bool goes_on(JinjaCase to, char32_t code) {
  if (to == JinjaCase::kTitle) return is_letter(code);
  if (to != JinjaCase::kWords) return true;
  return !is_jinja_space(code) && code != '-' && code != '(' && code != '[' && code != '{' &&
         code != '<';
}

}  // namespace

bool is_jinja_space(char32_t code) { return is_space(code) || (code >= 0x1c && code <= 0x1f); }

const JinjaString& jinja_string(const JinjaValue& value, JinjaHeap& heap) {
  if (value.is(Kind::kString)) return *value.string;
  return *heap.string(jinja_text(value, heap)).string;
}

JinjaValue jinja_strip(const JinjaString& string, std::string_view characters,
                       std::string_view side, JinjaHeap& heap) {
  const std::string_view bytes = string.bytes;
  size_t begin = 0, end = bytes.size();
  while (side != "right" && begin < end) {
    const Utf8Char c = decode_utf8(bytes, begin);
    if (!stripped(characters, c.code, heap)) break;
    begin += c.length;
  }
  while (side != "left" && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(bytes[last]) & 0xC0) == 0x80) --last;
    if (!stripped(characters, decode_utf8(bytes, last).code, heap)) break;
    end = last;
  }
  heap.step(static_cast<int64_t>((begin + bytes.size() - end) / 64));
  return begin == 0 && end == bytes.size() ? JinjaValue::of(&string)
                                           : heap.part(string, begin, end);
}

JinjaValue jinja_replace(const JinjaString& string, const JinjaString& old, const JinjaString& by,
                         int64_t most, JinjaHeap& heap) {
  const MarkedText whole = jinja_marked(string);
  MarkedText made;
  size_t done = 0;
  jinja_pass_search(string.bytes, old.bytes, heap);
  for (int64_t count = 0; most < 0 || count < most; ++count) {
    size_t at = string.bytes.find(old.bytes, done);
    if (old.bytes.empty() &&
        count > 0)  // what is empty stands before each character, and at the end
      at = done < string.bytes.size() ? done + decode_utf8(string.bytes, done).length
                                      : std::string_view::npos;
    if (at == std::string_view::npos) break;
    heap.step(1 + static_cast<int64_t>(whole.parts().size()));
    heap.take(by.bytes.size() + by.parts.size() * sizeof(MarkedText::Part));
    made.append(whole.part(done, at));
    made.append(by.bytes, by.parts);
    done = at + old.bytes.size();
  }
  if (made.empty() && done == 0) return JinjaValue::of(&string);
  made.append(whole.part(done, whole.size()));
  return heap.string(std::move(made));
}

JinjaValue jinja_join(std::span<const JinjaValue> items, const JinjaString& between,
                      JinjaHeap& heap) {
  MarkedText made;
  for (size_t i = 0; i < items.size(); ++i) {
    heap.step();
    heap.take(between.bytes.size() + between.parts.size() * sizeof(MarkedText::Part));
    if (i > 0) made.append(between.bytes, between.parts);
    const MarkedText item = jinja_text(items[i], heap);
    heap.take(item.size());
    made.append(item);
  }
  return heap.string(std::move(made));
}

JinjaValue jinja_recase(const JinjaString& string, JinjaCase to, JinjaHeap& heap) {
  heap.step(static_cast<int64_t>(string.bytes.size() / 16));
  MarkedText made;
  size_t begin = 0;
  bool inside_word = false;
  for (const MarkedText::Part& part : string.parts) {
    std::string text;
    for (size_t at = begin; at < part.end;) {
      const Utf8Char c = decode_utf8(string.bytes, at);
      const bool upper = to == JinjaCase::kUpper || (to != JinjaCase::kLower && !inside_word);
      append_case(text, c.code, upper);
      inside_word = goes_on(to, c.code);
      at += c.length;
    }
    made.append(text, part.data);
    begin = part.end;
  }
  return heap.string(std::move(made));
}

}  // namespace falconer
