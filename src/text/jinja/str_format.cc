// str.format() of Python, as Jinja's sandbox has it.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/format.h"
#include "text/jinja/layout.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
namespace {

bool all_figures(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

int64_t figures(std::string_view text) {
  int64_t made = 0;
  for (const char c : text)
    if (__builtin_mul_overflow(made, 10, &made) || __builtin_add_overflow(made, c - '0', &made))
      fail("format: a number is too large");
  return made;
}

/// Reads what stands behind ":".
class SpecReader {
 public:
  SpecReader(const MarkedText& spec, bool number) : bytes_(spec.text()) {
    made_.data = !spec.is_template(0, spec.size());
    const size_t first = bytes_.empty() ? 0 : decode_utf8(bytes_, 0).length;
    const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    const bool filled = first < bytes_.size() && is_align(bytes_[first]);
    if (filled) {
      made_.fill = bytes_.substr(0, first);
      at_ = first;
    }
    if (is_align(peek())) made_.align = bytes_[at_++];
    if (peek() == '+' || peek() == '-' || peek() == ' ') {
      made_.sign = bytes_[at_++];
      signed_ = true;
    }
    made_.alternate = take('#');
    if (!filled && take('0')) {
      made_.fill = "0";
      if (made_.align == '\0' && number) made_.align = '=';
    }
    made_.width = run_of_figures();
    if (peek() == ',' || peek() == '_') made_.grouping = bytes_[at_++];
    if (take('.')) {
      if (peek() < '0' || peek() > '9') fail("format: a precision is missing");
      made_.precision = run_of_figures();
    }
    if (at_ < bytes_.size()) made_.type = bytes_[at_++];
    if (at_ < bytes_.size()) fail("format: \"{}\" is no format", printable(bytes_));
  }

  const JinjaSpec& spec() const { return made_; }
  bool has_sign() const { return signed_; }

 private:
  char peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= bytes_.size()) return false;
    ++at_;
    return true;
  }
  int64_t run_of_figures() {
    const size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return figures(bytes_.substr(begin, at_ - begin));
  }

  std::string_view bytes_;
  JinjaSpec made_;
  bool signed_ = false;
  size_t at_ = 0;
};

MarkedText string_in_spec(const JinjaString& string, const SpecReader& read, JinjaHeap& heap) {
  const JinjaSpec& spec = read.spec();
  if ((spec.type != '\0' && spec.type != 's') || read.has_sign() || spec.alternate ||
      spec.align == '=' || spec.grouping != '\0')
    fail("format: what is given is for numbers, found string");
  heap.pass(string.bytes.size());
  return jinja_padded({}, jinja_first_of(jinja_marked(string), spec.precision), spec, heap);
}

MarkedText number_in_spec(const JinjaValue& value, const SpecReader& read, JinjaHeap& heap) {
  using Kind = JinjaValue::Kind;
  JinjaSpec spec = read.spec();
  const char type = spec.type;
  const auto is_one_of = [&](std::string_view types) {
    return type != '\0' && types.find(type) != std::string_view::npos;
  };
  if (type == 'n' && spec.grouping != '\0') fail("format: \"{}\" and n", spec.grouping);
  const bool real = is_one_of("eEfFgG%") || value.is(Kind::kFloat);
  if (!real) {
    if (type != '\0' && !is_one_of("bcdoxXn"))
      fail("format: \"{}\" is nothing for an integer", printable({&type, 1}));
    if (spec.precision >= 0) fail("format: an integer takes no precision");
    if (spec.grouping == ',' && is_one_of("bcoxX")) fail("format: \",\" and {}", type);
    if (is_one_of("c") && (read.has_sign() || spec.alternate || spec.grouping != '\0'))
      fail("format: a sign, \"#\" or groups, and c");
    if (type == 'n' || type == '\0') spec.type = 'd';
    if (spec.align == '\0') spec.align = '>';
    return jinja_laid_out(value.as_integer(), spec, heap);
  }
  if (type != '\0' && !is_one_of("eEfFgG%n"))
    fail("format: \"{}\" is nothing for a float", printable({&type, 1}));
  if (type == 'n') spec.type = 'g';
  return jinja_laid_out(value.as_real(), spec, heap);
}

class BraceFormat {
 public:
  BraceFormat(const JinjaArguments& arguments, JinjaHeap& heap)
      : arguments_(arguments), heap_(heap) {}

  MarkedText run(const MarkedText& format, int depth) {
    if (depth < 0) fail("format: fields are within each other more than two deep");
    const std::string_view bytes = format.text();
    MarkedText made;
    for (size_t at = 0; at < bytes.size();) {
      heap_.step(1 + static_cast<int64_t>(format.parts().size()));
      const size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
      const bool doubled = brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace];
      const size_t end = brace + doubled;
      heap_.take(end - at);
      made.append(format.part(at, end));
      at = end + (brace < bytes.size());
      if (doubled || brace >= bytes.size()) continue;
      if (bytes[brace] == '}') fail("format: \"}}\" stands alone");
      const size_t close = end_of_field(bytes, at);
      made.append(field(format, at, close, depth));
      at = close + 1;
      if (made.size() > heap_.limits().output) fail("a string is too long");
    }
    return made;
  }

 private:
  static size_t end_of_field(std::string_view bytes, size_t at) {
    bool bracket = false, spec = false;
    for (int open = 1; at < bytes.size(); ++at) {
      const char c = bytes[at];
      if (!spec) {
        if (c == '[') bracket = true;
        if (c == ']') bracket = false;
        if (bracket) continue;
        if (c == '{') fail("format: \"{{\" in the name of a field");
        spec = c == ':' || c == '!';
      }
      open += c == '{' ? 1 : c == '}' ? -1 : 0;
      if (open == 0) return at;
    }
    fail("format: a field has no end, \"}}\"");
  }

  MarkedText field(const MarkedText& format, size_t begin, size_t end, int depth) {
    const std::string_view bytes = std::string_view(format.text()).substr(0, end);
    size_t at = begin;
    for (bool bracket = false; at < end && (bracket || (bytes[at] != ':' && bytes[at] != '!'));
         ++at)
      bracket = bytes[at] == '[' || (bracket && bytes[at] != ']');
    const std::string_view name = bytes.substr(begin, at - begin);
    char conversion = '\0';
    if (at < end && bytes[at] == '!') {
      if (at + 1 >= end) fail("format: a conversion is missing behind \"!\"");
      conversion = bytes[at + 1];
      at += 2;
      if (at < end && bytes[at] != ':') fail("format: expected \":\" behind a conversion");
      if (std::string_view("sra").find(conversion) == std::string_view::npos)
        fail("format: there is no conversion \"!{}\"", printable({&conversion, 1}));
    }
    JinjaValue value = look_up(name);
    const MarkedText spec = at < end ? run(format.part(at + 1, end), depth - 1) : MarkedText();
    if (conversion != '\0')
      value = heap_.string(conversion == 's' ? jinja_text(value, heap_)
                                             : jinja_repr(value, conversion == 'a', heap_));
    return written(value, spec);
  }

  MarkedText written(const JinjaValue& value, const MarkedText& spec) {
    if (spec.empty()) return jinja_text(value, heap_);
    if (value.is(JinjaValue::Kind::kString))
      return string_in_spec(*value.string, SpecReader(spec, false), heap_);
    if (value.is_number()) return number_in_spec(value, SpecReader(spec, true), heap_);
    fail("format: {} takes no format, found \"{}\"", jinja_kind(value), printable(spec.text()));
  }

  JinjaValue positional(int64_t at) const {
    if (at >= std::ssize(arguments_.positional)) fail("format: there is no argument {}", at);
    return arguments_.positional[static_cast<size_t>(at)];
  }

  JinjaValue look_up(std::string_view name) {
    if (name.empty()) {
      if (next_ < 0) fail("format: \"{{}}\" follows a field with a number");
      return positional(next_++);
    }
    if (all_figures(name)) {
      if (next_ > 0) fail("format: a field with a number follows \"{{}}\"");
      next_ = -1;
    }
    size_t at = std::min(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, at);
    JinjaValue value = all_figures(first) ? positional(figures(first)) : named(first);
    while (at < name.size()) {
      const bool dot = name[at] == '.';
      if (!dot && name[at] != '[') fail("format: only \".\" or \"[\" may follow \"]\"");
      const size_t end =
          std::min(dot ? name.find_first_of(".[", at + 1) : name.find(']', at + 1), name.size());
      const std::string_view member = name.substr(at + 1, end - at - 1);
      if (member.empty() || (!dot && end >= name.size()))
        fail("format: a field's member is empty or has no end");
      if (dot && member.starts_with('_')) {  // the sandbox hides it
        value = JinjaValue::undefined();
        at = end;
        continue;
      }
      const bool number = !dot && all_figures(member);
      value = jinja_item(
          value,
          number ? JinjaValue::of(figures(member)) : heap_.string(std::string(member), false),
          heap_);
      at = dot ? end : end + 1;
    }
    return value;
  }

  JinjaValue named(std::string_view name) const {
    heap_.step(static_cast<int64_t>(arguments_.named.size() / 8));
    for (const auto& [given, value] : arguments_.named)
      if (given == name) return value;
    fail("format: there is no argument \"{}\"", printable(name));
  }

  const JinjaArguments& arguments_;
  JinjaHeap& heap_;
  int64_t next_ = 0;  // the argument of the next "{}"; -1 where fields have numbers
};

}  // namespace

JinjaValue jinja_format(const JinjaString& format, const JinjaArguments& arguments,
                        JinjaHeap& heap) {
  return heap.string(BraceFormat(arguments, heap).run(jinja_marked(format), 2));
}

}  // namespace falconer
