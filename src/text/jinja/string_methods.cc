// The methods of Python's strings that are more than one that a filter has too. Parts keep their marks.
#include <utf8proc.h>

#include <algorithm>

#include "base/error.h"
#include "text/jinja/character_classes.h"
#include "text/jinja/format.h"
#include "text/jinja/layout.h"
#include "text/jinja/library.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
namespace {

using StringArguments = JinjaParameters;

// ---- characters, as Python counts and classifies them

template <class Is>
bool all_are(const JinjaValue& v, JinjaHeap& h, Is is) {
  const std::string_view bytes = v.string->bytes;
  h.step(static_cast<int64_t>(bytes.size() / 16));
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    if (!is(c.code)) return false;
    at += c.length;
  }
  return true;
}

template <auto is>
JinjaValue all_of_class(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  return JinjaValue::of(!v.string->bytes.empty() && all_are(v, h, is));
}
bool is_ascii_code(char32_t code) { return code < 0x80; }
bool is_letter_or_number(char32_t code) { return is_letter(code) || is_number(code); }

JinjaValue all_ascii(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  return JinjaValue::of(all_are(v, h, is_ascii_code));
}
JinjaValue all_printable(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  return JinjaValue::of(all_are(v, h, is_jinja_printable));
}
JinjaValue is_identifier(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  bool first = true;
  return JinjaValue::of(!v.string->bytes.empty() && all_are(v, h, [&](char32_t code) {
    const bool begins = is_letter(code) || code == '_' || category_of(code) == UTF8PROC_CATEGORY_NL;
    const utf8proc_category_t category = category_of(code);
    const bool goes = begins || is_decimal(code) || category == UTF8PROC_CATEGORY_MN ||
                      category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_PC;
    return std::exchange(first, false) ? begins : goes;
  }));
}

/// islower and isupper: a letter of this case, and none of another.
JinjaValue one_case(const JinjaValue& v, JinjaHeap& h, bool upper) {
  bool found = false;
  const bool none_else = all_are(v, h, [&](char32_t code) {
    found = found || (upper ? is_upper_letter(code) : is_lower_letter(code));
    return !(upper ? is_lower_letter(code) : is_upper_letter(code)) && !is_title_letter(code);
  });
  return JinjaValue::of(found && none_else);
}
JinjaValue is_lower_string(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  return one_case(v, h, false);
}
JinjaValue is_upper_string(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  return one_case(v, h, true);
}
JinjaValue is_title_string(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  bool inside = false, found = false;
  const bool fits = all_are(v, h, [&](char32_t code) {
    const bool big = is_upper_letter(code) || is_title_letter(code), small = is_lower_letter(code);
    const bool right = (!big || !inside) && (!small || inside);
    found = found || big || small;
    inside = big || small;
    return right;
  });
  return JinjaValue::of(found && fits);
}

/// A string of other characters, with the marks of those that they were.
template <class Map>
JinjaValue each_character(const JinjaString& string, JinjaHeap& h, Map map) {
  h.step(static_cast<int64_t>(string.bytes.size() / 16));
  MarkedText made;
  size_t at = 0;
  for (const MarkedText::Part& part : string.parts) {
    std::string text;
    for (; at < part.end; at += decode_utf8(string.bytes, at).length)
      map(decode_utf8(string.bytes, at).code, text);
    h.take(text.size());
    made.append(text, part.data);
  }
  return h.string(std::move(made));
}

JinjaValue swap_case(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  return each_character(*v.string, h, [](char32_t code, std::string& text) {
    const auto c = static_cast<utf8proc_int32_t>(code);
    if (code == 0xDF)
      text += "SS";
    else
      append_utf8(text, static_cast<char32_t>(is_upper_letter(code) ? utf8proc_tolower(c)
                                                                    : utf8proc_toupper(c)));
  });
}
JinjaValue fold_case(const JinjaValue& v, const StringArguments&, JinjaHeap& h) {
  return each_character(*v.string, h, [](char32_t code, std::string& text) {
    utf8proc_int32_t folded[8];
    int last = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), folded, 8,
                                               UTF8PROC_CASEFOLD, &last);
    for (utf8proc_ssize_t i = 0; i < count && i < 8; ++i)
      append_utf8(text, static_cast<char32_t>(folded[i]));
  });
}

JinjaValue expand_tabs(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  const int64_t size = p.integer(0, 8);
  int64_t column = 0;
  return each_character(*v.string, h, [&](char32_t code, std::string& text) {
    if (code == '\t') {
      const int64_t blanks = size > 0 ? size - column % size : 0;
      text += jinja_filling(blanks, " ", false, h).text();
      if (text.size() > h.limits().output) fail("a string is too long");
      column += blanks;
      return;
    }
    append_utf8(text, code);
    column = code == '\n' || code == '\r' ? 0 : column + 1;
  });
}

// ---- in a width

JinjaValue justified(const JinjaValue& v, const StringArguments& p, JinjaHeap& h, char align) {
  JinjaSpec spec{.align = align};
  if (const JinjaValue* fill = p.find(1); fill != nullptr) {
    spec.fill = p.text(1, " ");
    if (jinja_characters(spec.fill) != 1) fail("what fills a width is one character");
    spec.data = jinja_holds_data(*fill->string);
  }
  p.need(0);
  spec.width = p.integer(0, 0);
  h.pass(v.string->bytes.size());
  const int64_t missing = spec.width - jinja_characters(v.string->bytes);
  if (align != '^' || missing <= 0)
    return missing <= 0 ? v : h.string(jinja_padded({}, jinja_marked(*v.string), spec, h));
  const int64_t left = missing / 2 + (missing & spec.width & 1);
  MarkedText made = jinja_filling(left, spec.fill, spec.data, h);
  made.append(jinja_marked(*v.string));
  made.append(jinja_filling(missing - left, spec.fill, spec.data, h));
  return h.string(std::move(made));
}
JinjaValue center_string(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return justified(v, p, h, '^');
}
JinjaValue justify_left(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return justified(v, p, h, '<');
}
JinjaValue justify_right(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return justified(v, p, h, '>');
}
JinjaValue fill_zeros(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  p.need(0);
  const MarkedText whole = jinja_marked(*v.string);
  const bool sign = whole.text().starts_with('-') || whole.text().starts_with('+');
  return h.string(jinja_padded(whole.part(0, sign), whole.part(sign, whole.size()),
                               {.fill = "0", .align = '=', .width = p.integer(0, 0)}, h));
}

// ---- looking for parts

/// Where a method's bounds, counted in characters, lie; nothing where the first is behind the end.
std::optional<std::pair<size_t, size_t>> bytes_between(std::string_view bytes,
                                                       const StringArguments& p, JinjaHeap& h) {
  if (p.find(1) == nullptr && p.find(2) == nullptr)
    return std::pair<size_t, size_t>(0, bytes.size());
  h.step(static_cast<int64_t>(bytes.size() / 64));
  const int64_t length = jinja_characters(bytes);
  const auto place = [&](int64_t at) {
    return std::min(at < 0 ? std::max<int64_t>(at + length, 0) : at, length);
  };
  const int64_t start = p.integer(1, 0), stop = place(p.integer(2, length));
  if (start > length || place(start) > stop) return {};
  const auto offset = [&](int64_t characters) {
    size_t at = 0;
    for (; at < bytes.size() && characters > 0; --characters) at += decode_utf8(bytes, at).length;
    return at;
  };
  return std::pair(offset(place(start)), offset(stop));
}

std::string_view part_to_find(const StringArguments& p) {
  p.need(0);
  if (!p.need(0).is(JinjaValue::Kind::kString))
    fail("what is looked for in a string is a string, found {}", jinja_kind(p.need(0)));
  return p.text(0, "");
}

int64_t found_at(const JinjaValue& v, const StringArguments& p, JinjaHeap& h, bool last) {
  const std::string_view bytes = v.string->bytes, part = part_to_find(p);
  const auto range = bytes_between(bytes, p, h);
  if (!range) return -1;
  const std::string_view inside = bytes.substr(range->first, range->second - range->first);
  jinja_pass_search(inside, part, h);
  const size_t at = last ? inside.rfind(part) : inside.find(part);
  if (at == std::string_view::npos) return -1;
  return jinja_characters(bytes.substr(0, range->first + at));
}
JinjaValue find_first(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return JinjaValue::of(found_at(v, p, h, false));
}
JinjaValue find_last(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return JinjaValue::of(found_at(v, p, h, true));
}
JinjaValue needed_index(int64_t at) {
  if (at < 0) fail("index: the part is not in the string");
  return JinjaValue::of(at);
}
JinjaValue index_of_first(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return needed_index(found_at(v, p, h, false));
}
JinjaValue index_of_last(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return needed_index(found_at(v, p, h, true));
}

JinjaValue count_parts(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  const std::string_view part = part_to_find(p);
  const auto range = bytes_between(v.string->bytes, p, h);
  if (!range) return JinjaValue::of(int64_t{0});
  const std::string_view inside =
      v.string->bytes.substr(range->first, range->second - range->first);
  jinja_pass_search(inside, part, h);
  if (part.empty()) return JinjaValue::of(jinja_characters(inside) + 1);
  int64_t count = 0;
  for (size_t at = 0; (at = inside.find(part, at)) != std::string_view::npos; at += part.size())
    ++count;
  return JinjaValue::of(count);
}

/// startswith and endswith take a string or a tuple of them.
bool has_affix(std::string_view bytes, const JinjaValue& affix, bool front, JinjaHeap& heap) {
  heap.step();
  if (affix.is(JinjaValue::Kind::kList) && affix.list->tuple)
    return std::any_of(affix.list->items.begin(), affix.list->items.end(),
                       [&](const JinjaValue& one) {
                         if (!one.is(JinjaValue::Kind::kString))
                           fail("a string begins or ends with a string, found {}", jinja_kind(one));
                         return has_affix(bytes, one, front, heap);
                       });
  if (!affix.is(JinjaValue::Kind::kString))
    fail("a string begins or ends with a string or a tuple of them, found {}", jinja_kind(affix));
  const std::string_view part = affix.string->bytes;
  heap.pass(part.size());
  return front ? bytes.starts_with(part) : bytes.ends_with(part);
}
JinjaValue affixed(const JinjaValue& v, const StringArguments& p, JinjaHeap& h, bool front) {
  const JinjaValue affix = p.need(0);
  const auto range = bytes_between(v.string->bytes, p, h);
  const bool has =
      has_affix(range ? v.string->bytes.substr(range->first, range->second - range->first) : "",
                affix, front, h);
  return JinjaValue::of(range && has);
}
JinjaValue starts_with(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return affixed(v, p, h, true);
}
JinjaValue ends_with(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return affixed(v, p, h, false);
}
JinjaValue without_prefix(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  const std::string_view part = part_to_find(p);
  return has_affix(v.string->bytes, p.need(0), true, h)
             ? h.part(*v.string, part.size(), v.string->bytes.size())
             : v;
}
JinjaValue without_suffix(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  const std::string_view part = part_to_find(p);
  return has_affix(v.string->bytes, p.need(0), false, h)
             ? h.part(*v.string, 0, v.string->bytes.size() - part.size())
             : v;
}

JinjaValue parted(const JinjaValue& v, const StringArguments& p, JinjaHeap& h, bool last) {
  const std::string_view bytes = v.string->bytes, part = part_to_find(p);
  if (part.empty()) fail("partition: the separator is empty");
  jinja_pass_search(bytes, part, h);
  const size_t at = last ? bytes.rfind(part) : bytes.find(part);
  const JinjaValue nothing = h.view("", false);
  if (at == std::string_view::npos)
    return h.list(last ? std::vector{nothing, nothing, v} : std::vector{v, nothing, nothing}, true);
  return h.list({h.part(*v.string, 0, at), h.part(*v.string, at, at + part.size()),
                 h.part(*v.string, at + part.size(), bytes.size())},
                true);
}
JinjaValue partition_first(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return parted(v, p, h, false);
}
JinjaValue partition_last(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  return parted(v, p, h, true);
}

// ---- splitting

bool ends_line(char32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

JinjaValue split_lines(const JinjaValue& v, const StringArguments& p, JinjaHeap& h) {
  const std::string_view bytes = v.string->bytes;
  h.step(static_cast<int64_t>(bytes.size() / 32));
  std::vector<JinjaValue> lines;
  for (size_t begin = 0, at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    size_t next = at + c.length;
    if (ends_line(c.code)) {
      if (c.code == '\r' && next < bytes.size() && bytes[next] == '\n') ++next;
      h.step();
      lines.push_back(h.part(*v.string, begin, p.flag(0, false) ? next : at));
      begin = next;
    } else if (next >= bytes.size()) {
      lines.push_back(h.part(*v.string, begin, next));
    }
    at = next;
  }
  return h.list(std::move(lines));
}

/// rsplit() at white space, from the right: `most` times.
JinjaValue split_words_from_right(const JinjaString& string, int64_t most, JinjaHeap& h) {
  const std::string_view bytes = string.bytes;
  h.step(static_cast<int64_t>(bytes.size() / 32));
  const auto begin_of = [&](size_t end) {  // of the character that ends there
    size_t at = end - 1;
    while (at > 0 && (static_cast<unsigned char>(bytes[at]) & 0xC0) == 0x80) --at;
    return at;
  };
  const auto blank = [&](size_t end) {
    return is_jinja_space(decode_utf8(bytes, begin_of(end)).code);
  };
  std::vector<JinjaValue> words;
  size_t end = bytes.size();
  for (;;) {
    while (end > 0 && blank(end)) end = begin_of(end);
    if (end == 0) break;
    size_t begin = static_cast<int64_t>(words.size()) < most ? end : 0;
    while (begin > 0 && !blank(begin)) begin = begin_of(begin);
    h.step();
    words.push_back(h.part(string, begin, end));
    end = begin;
  }
  std::reverse(words.begin(), words.end());
  return h.list(std::move(words));
}

constexpr JinjaMethod kStringMethods[] = {
    {JinjaValue::Kind::kString, "casefold", fold_case, ""},
    {JinjaValue::Kind::kString, "center", center_string, "width fillchar"},
    {JinjaValue::Kind::kString, "count", count_parts, "sub start end"},
    {JinjaValue::Kind::kString, "endswith", ends_with, "suffix start end"},
    {JinjaValue::Kind::kString, "expandtabs", expand_tabs, "tabsize"},
    {JinjaValue::Kind::kString, "find", find_first, "sub start end"},
    {JinjaValue::Kind::kString, "index", index_of_first, "sub start end"},
    {JinjaValue::Kind::kString, "isalnum", all_of_class<is_letter_or_number>, ""},
    {JinjaValue::Kind::kString, "isalpha", all_of_class<is_letter>, ""},
    {JinjaValue::Kind::kString, "isascii", all_ascii, ""},
    {JinjaValue::Kind::kString, "isdecimal", all_of_class<is_decimal>, ""},
    {JinjaValue::Kind::kString, "isdigit", all_of_class<is_digit_code>, ""},
    {JinjaValue::Kind::kString, "isidentifier", is_identifier, ""},
    {JinjaValue::Kind::kString, "islower", is_lower_string, ""},
    {JinjaValue::Kind::kString, "isnumeric", all_of_class<is_number>, ""},
    {JinjaValue::Kind::kString, "isprintable", all_printable, ""},
    {JinjaValue::Kind::kString, "isspace", all_of_class<is_jinja_space>, ""},
    {JinjaValue::Kind::kString, "istitle", is_title_string, ""},
    {JinjaValue::Kind::kString, "isupper", is_upper_string, ""},
    {JinjaValue::Kind::kString, "ljust", justify_left, "width fillchar"},
    {JinjaValue::Kind::kString, "partition", partition_first, "sep"},
    {JinjaValue::Kind::kString, "removeprefix", without_prefix, "prefix"},
    {JinjaValue::Kind::kString, "removesuffix", without_suffix, "suffix"},
    {JinjaValue::Kind::kString, "rfind", find_last, "sub start end"},
    {JinjaValue::Kind::kString, "rindex", index_of_last, "sub start end"},
    {JinjaValue::Kind::kString, "rjust", justify_right, "width fillchar"},
    {JinjaValue::Kind::kString, "rpartition", partition_last, "sep"},
    {JinjaValue::Kind::kString, "splitlines", split_lines, "keepends"},
    {JinjaValue::Kind::kString, "startswith", starts_with, "prefix start end"},
    {JinjaValue::Kind::kString, "swapcase", swap_case, ""},
    {JinjaValue::Kind::kString, "zfill", fill_zeros, "width"},
};

}  // namespace

std::span<const JinjaMethod> jinja_string_methods() { return kStringMethods; }

JinjaValue jinja_split_from_right(const JinjaString& string, int64_t most, JinjaHeap& heap) {
  return split_words_from_right(string, most < 0 ? INT64_MAX : most, heap);
}
JinjaValue jinja_centered(const JinjaValue& string, const JinjaParameters& parameters,
                          JinjaHeap& heap) {
  return justified(string, parameters, heap, '^');
}

}  // namespace falconer
