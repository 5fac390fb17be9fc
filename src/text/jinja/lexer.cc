#include "text/jinja/lexer.h"

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace falconer {
namespace {

using TokenKind = JinjaToken::Kind;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// Line ends as Python's universal newlines; one at the end is left out.
std::string normal_lines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normal_lines(source)) {}

  std::vector<JinjaToken> run() {
    while (at_ < source_.size()) text();
    push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_here(const std::string& what) const { fail("line {}: {}", line_, what); }

  bool ahead(std::string_view text) const {
    return std::string_view(source_).substr(at_).starts_with(text);
  }
  char peek(size_t further = 0) const {
    return at_ + further < source_.size() ? source_[at_ + further] : '\0';
  }
  void advance(size_t count) {
    line_ +=
        static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(at_),
                                    source_.begin() + static_cast<ptrdiff_t>(at_ + count), '\n'));
    at_ += count;
    if (count > 0) at_line_begin_ = source_[at_ - 1] == '\n';
  }
  void skip_blanks() {
    while (at_ < source_.size() && is_blank(source_[at_])) advance(1);
  }
  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  /// Text up to the next tag, and that tag.
  void text() {
    size_t tag = at_;
    for (; tag < source_.size(); ++tag)
      if (source_[tag] == '{' && tag + 1 < source_.size() &&
          (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#'))
        break;
    std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    const char type = tag < source_.size() ? source_[tag + 1] : '\0';
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (type != '\0') text = stripped_before(text, type, sign);
    if (!text.empty()) push(TokenKind::kText, std::string(text));
    advance(tag - at_);
    if (type == '\0') return;
    advance(sign == '-' || sign == '+' ? 3 : 2);
    if (type == '#') return comment();
    if (type == '%' && raw_begins()) return raw();
    push(type == '{' ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, "");
    inside(type);
  }

  /// What "-" or lstrip_blocks leave of the text before a tag. It is called before the text is passed,
  /// so that at_line_begin_ says how the tag before it ended.
  std::string_view stripped_before(std::string_view text, char type, char sign) const {
    if (sign == '-') {
      while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
      return text;
    }
    if (sign == '+' || type == '{') return text;
    const size_t newline = text.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line == 0 && !at_line_begin_) return text;
    return std::all_of(text.begin() + static_cast<ptrdiff_t>(line), text.end(), is_blank)
               ? text.substr(0, line)
               : text;
  }

  /// Behind a tag: "-" takes all white space, trim_blocks one line end.
  void end_tag(char sign, size_t length, bool trim) {
    advance(length);
    if (sign == '-')
      skip_blanks();
    else if (sign != '+' && trim && peek() == '\n')
      advance(1);
  }

  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail_here("a comment has no end, #}");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    end_tag(sign, end + 2 - at_, true);
  }

  bool raw_begins() {
    size_t at = at_;
    while (at < source_.size() && is_blank(source_[at])) ++at;
    if (!std::string_view(source_).substr(at).starts_with("raw")) return false;
    at += 3;
    while (at < source_.size() && is_blank(source_[at])) ++at;
    const bool minus = at < source_.size() && source_[at] == '-';
    if (!std::string_view(source_).substr(at + minus).starts_with("%}")) return false;
    end_tag(minus ? '-' : '\0', at + minus + 2 - at_, false);
    return true;
  }

  /// Up to {% endraw %}, whose signs count for what lies between.
  void raw() {
    for (size_t tag = at_; (tag = source_.find("{%", tag)) != std::string::npos; ++tag) {
      size_t at = tag + 2;
      const char before = at < source_.size() ? source_[at] : '\0';
      if (before == '-' || before == '+') ++at;
      while (at < source_.size() && is_blank(source_[at])) ++at;
      if (!std::string_view(source_).substr(at).starts_with("endraw")) continue;
      at += 6;
      while (at < source_.size() && is_blank(source_[at])) ++at;
      const char behind = at < source_.size() ? source_[at] : '\0';
      if (behind == '-' || behind == '+') ++at;
      if (!std::string_view(source_).substr(at).starts_with("%}")) continue;
      const std::string_view text =
          stripped_before(std::string_view(source_).substr(at_, tag - at_), '%', before);
      if (!text.empty()) push(TokenKind::kText, std::string(text));
      end_tag(behind, at + 2 - at_, true);
      return;
    }
    fail_here("{% raw %} has no {% endraw %}");
  }

  /// Tokens up to the end of the tag.
  void inside(char type) {
    const std::string_view end = type == '{' ? "}}" : "%}";
    const TokenKind end_kind = type == '{' ? TokenKind::kOutputEnd : TokenKind::kBlockEnd;
    brackets_.clear();
    for (;;) {
      skip_blanks();
      if (at_ >= source_.size())
        fail_here(fmt::format("a tag that begins here or before has no end, {}", end));
      if (brackets_.empty()) {
        const char sign = peek();
        const bool signed_end = (sign == '-' || (sign == '+' && type == '%')) &&
                                std::string_view(source_).substr(at_ + 1).starts_with(end);
        if (signed_end || ahead(end)) {
          push(end_kind, "");
          return end_tag(signed_end ? sign : '\0', signed_end ? 3 : 2, type == '%');
        }
      }
      token();
    }
  }

  void token() {
    const char c = peek();
    if (is_digit(c)) return number();
    if (is_name_byte(c)) {
      size_t end = at_;
      while (end < source_.size() && is_name_byte(source_[end])) ++end;
      push(TokenKind::kName, source_.substr(at_, end - at_));
      return advance(end - at_);
    }
    if (c == '\'' || c == '"') return string(c);
    for (const std::string_view two : {"//", "**", "==", "!=", ">=", "<="})
      if (ahead(two)) {
        push(TokenKind::kOperator, std::string(two));
        return advance(2);
      }
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos || c == '\0')
      fail_here(fmt::format("found \"{}\", which is nothing in a template",
                            printable(std::string_view(&c, 1))));
    bracket(c);
    push(TokenKind::kOperator, std::string(1, c));
    advance(1);
  }

  void bracket(char c) {
    if (c == '(' || c == '[' || c == '{') {
      brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (brackets_.empty() || brackets_.back() != c)
        fail_here(fmt::format("found \"{}\" without its opening bracket", c));
      brackets_.pop_back();
    }
  }

  void number() {
    size_t end = at_;
    const auto digits = [&] {
      while (end < source_.size() && (is_digit(source_[end]) || source_[end] == '_')) ++end;
    };
    digits();
    bool real = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      real = true;
      ++end;
      digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-'))
        ++exponent;
      if (exponent < source_.size() && is_digit(source_[exponent])) {
        real = true;
        end = exponent;
        digits();
      }
    }
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    push(real ? TokenKind::kFloat : TokenKind::kInteger, std::move(text));
    advance(end - at_);
  }

  void string(char quote) {
    const int begin = line_;
    std::string text;
    size_t at = at_ + 1;
    while (at < source_.size() && source_[at] != quote) {
      if (source_[at] != '\\')
        text += source_[at++];
      else
        at = escape(at + 1, text);
    }
    if (at >= source_.size()) fail_here("a string has no end");
    advance(at + 1 - at_);
    tokens_.push_back({TokenKind::kString, std::move(text), begin});
  }

  /// The escape whose character behind the backslash is at `at`; returns where it ends.
  size_t escape(size_t at, std::string& text) {
    if (at >= source_.size()) fail_here("a string has no end");
    constexpr std::string_view kNames = "nrtabfv\\'\"", kValues = "\n\r\t\a\b\f\v\\'\"";
    const char c = source_[at];
    if (const size_t known = kNames.find(c); known != std::string_view::npos) {
      text += kValues[known];
      return at + 1;
    }
    if (c == '\n') return at + 1;
    const size_t length = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (length > 0) {
      append_utf8(text, code_at(at + 1, length, 16));
      return at + 1 + length;
    }
    if (c >= '0' && c <= '7') {
      size_t count = 1;
      while (count < 3 && at + count < source_.size() && source_[at + count] >= '0' &&
             source_[at + count] <= '7')
        ++count;
      append_utf8(text, code_at(at, count, 8));
      return at + count;
    }
    if (c == 'N') fail_here("\\N{...} is not supported in a string");
    text += '\\';  // as Python: it stays
    text += c;
    return at + 1;
  }

  char32_t code_at(size_t at, size_t length, int base) const {
    uint32_t code = 0;
    for (size_t i = at; i < at + length; ++i) {
      const char c = i < source_.size() ? source_[i] : '\0';
      const int digit = is_digit(c)              ? c - '0'
                        : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                        : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                                 : 99;
      if (digit >= base) fail_here("an escape in a string is not whole");
      code = code * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      fail_here("an escape in a string is no character");
    return code;
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool at_line_begin_ = true;
  std::string brackets_;  // closing ones that are awaited
  std::vector<JinjaToken> tokens_;
};

}  // namespace

std::vector<JinjaToken> jinja_tokens(std::string_view source) { return Lexer(source).run(); }

}  // namespace falconer
