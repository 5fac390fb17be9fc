#include "text/jinja/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "text/jinja/operators.h"
#include "text/unicode.h"

namespace falconer {
using Kind = JinjaValue::Kind;
namespace {

/// repr(float): the shortest digits that read back the same, with an exponent from 1e16 on.
std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);
  const size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  std::string made = text[0] == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    made += digits.substr(0, 1) + (digits.size() > 1 ? "." + digits.substr(1) : "");
    return made + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0)
    return made + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return made + digits + std::string(whole - digits.size(), '0') + ".0";
  return made + digits.substr(0, whole) + "." + digits.substr(whole);
}

/// repr(str), or ascii(str).
std::string python_string(std::string_view bytes, bool ascii) {
  const bool single = bytes.find('\'') == std::string_view::npos;
  const char quote = single || bytes.find('"') != std::string_view::npos ? '\'' : '"';
  std::string made(1, quote);
  for (size_t at = 0; at < bytes.size();) {
    const char c = bytes[at];
    const Utf8Char character = decode_utf8(bytes, at);
    const auto code = static_cast<uint32_t>(character.code);
    if (c == quote || c == '\\')
      (made += '\\') += c;
    else if (c == '\n')
      made += "\\n";
    else if (c == '\r')
      made += "\\r";
    else if (c == '\t')
      made += "\\t";
    else if ((ascii && code >= 0x80) || !is_jinja_printable(character.code))
      made += code < 0x100     ? fmt::format("\\x{:02x}", code)
              : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                               : fmt::format("\\U{:08x}", code);
    else
      made += bytes.substr(at, character.length);
    at += character.length;
  }
  return made += quote;
}

std::string json_string(std::string_view bytes, bool ascii) {
  std::string made = "\"";
  for (size_t at = 0; at < bytes.size();) {
    const char c = bytes[at];
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x80 && ascii) {
      const Utf8Char character = decode_utf8(bytes, at);
      const uint32_t u = character.code;
      if (u >= 0x10000)
        made += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((u - 0x10000) >> 10),
                            0xDC00 + ((u - 0x10000) & 0x3FF));
      else
        made += fmt::format("\\u{:04x}", u);
      at += character.length;
      continue;
    }
    const size_t escape = std::string_view("\"\\\n\r\t\b\f").find(c);
    if (escape != std::string_view::npos && c != '\0')
      (made += '\\') += "\"\\nrtbf"[escape];
    else if (code < 0x20)
      made += fmt::format("\\u{:04x}", code);
    else
      made += c;
    ++at;
  }
  return made += '"';
}

std::string number_text(const JinjaValue& value) {
  return value.is(Kind::kFloat) ? python_float(value.real) : fmt::format("{}", value.integer);
}

/// Writes values within others. One that holds data is data with all its quotes.
class Writer {
 public:
  Writer(JinjaHeap& heap, const JinjaJsonStyle* json, bool ascii = false)
      : heap_(heap), json_(json), ascii_(ascii) {}

  MarkedText take() { return MarkedText(std::move(text_), data_); }

  void write(const JinjaValue& value, int level) {
    heap_.step();
    switch (value.kind) {
      case Kind::kNone:
        return add(json_ ? "null" : "None");
      case Kind::kBoolean:
        return add(value.boolean ? (json_ ? "true" : "True") : (json_ ? "false" : "False"));
      case Kind::kInteger:
        return add(number_text(value));
      case Kind::kFloat:
        return add(json_ && !std::isfinite(value.real) ? (std::isnan(value.real) ? "NaN"
                                                          : value.real < 0       ? "-Infinity"
                                                                                 : "Infinity")
                                                       : number_text(value));
      case Kind::kString:
        return write_string(*value.string);
      case Kind::kList:
        return write_list(*value.list, level);
      case Kind::kDict:
        if (!value.dict->is_namespace) return write_dict(*value.dict, level);
        break;
      default:
        break;
    }
    if (json_ != nullptr) fail("{} has no JSON", jinja_kind(value));
    add(value.is(Kind::kUndefined) ? "Undefined" : "<" + jinja_kind(value) + ">");
  }

 private:
  void add(std::string_view text) {
    heap_.take(text.size());
    text_ += text;
  }

  void write_string(const JinjaString& string) {
    data_ = data_ || jinja_holds_data(string);
    add(json_ ? json_string(string.bytes, json_->ascii) : python_string(string.bytes, ascii_));
  }

  void line(int level) {
    if (json_ == nullptr || !json_->lines) return;
    add("\n");
    for (int i = 0; i < level; ++i) add(json_->indent);
  }

  std::string_view between() const {
    if (json_ == nullptr) return ", ";
    // With an indent, json.dumps leaves out the blank at the end of a line.
    return json_->lines && json_->between == ", " ? "," : std::string_view(json_->between);
  }

  void write_list(const JinjaList& list, int level) {
    const bool tuple = list.tuple && json_ == nullptr;
    add(tuple ? "(" : "[");
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) add(between());
      line(level + 1);
      write(list.items[i], level + 1);
    }
    if (!list.items.empty()) line(level);
    if (tuple && list.items.size() == 1) add(",");
    add(tuple ? ")" : "]");
  }

  void write_key(const JinjaValue& key, int level) {
    if (json_ == nullptr || key.is(Kind::kString)) return write(key, level);
    if (!key.is_number() && !key.is(Kind::kNone)) fail("{} is no key of JSON", jinja_kind(key));
    add("\"");
    write(key, level);
    add("\"");
  }

  void write_dict(const JinjaDict& dict, int level) {
    std::vector<size_t> order(dict.entries.size());
    std::iota(order.begin(), order.end(), size_t{0});
    if (json_ != nullptr && json_->sort_keys)
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return jinja_compare(dict.entries[a].first, dict.entries[b].first, heap_) < 0;
      });
    add("{");
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0) add(between());
      line(level + 1);
      write_key(dict.entries[order[i]].first, level);
      add(json_ == nullptr ? ": " : std::string_view(json_->behind_key));
      write(dict.entries[order[i]].second, level + 1);
    }
    if (!order.empty()) line(level);
    add("}");
  }

  JinjaHeap& heap_;
  const JinjaJsonStyle* json_;
  bool ascii_;
  std::string text_;
  bool data_ = false;
};

}  // namespace

bool is_jinja_printable(char32_t code) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return code == ' ';
    default:
      return true;
  }
}

bool jinja_holds_data(const JinjaString& string) {
  return std::any_of(string.parts.begin(), string.parts.end(),
                     [](const MarkedText::Part& part) { return part.data; });
}

MarkedText jinja_repr(const JinjaValue& value, bool ascii, JinjaHeap& heap) {
  Writer writer(heap, nullptr, ascii);
  writer.write(value, 0);
  return writer.take();
}

MarkedText jinja_marked(const JinjaString& string) {
  MarkedText text;
  text.append(string.bytes, string.parts);
  return text;
}

MarkedText jinja_text(const JinjaValue& value, JinjaHeap& heap) {
  if (value.is(Kind::kUndefined)) return {};
  if (value.is(Kind::kString)) return jinja_marked(*value.string);
  Writer writer(heap, nullptr);
  writer.write(value, 0);
  return writer.take();
}

MarkedText jinja_json(const JinjaValue& value, const JinjaJsonStyle& style, JinjaHeap& heap) {
  Writer writer(heap, &style);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace falconer
