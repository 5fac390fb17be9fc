#include "text/expression.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/unicode.h"

namespace falconer {
namespace {

// \w and \s inside of brackets. PCRE2 has more numbers and no marks in its \w, and U+180E in its \s.
constexpr const char* kWordSet = R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc})";
constexpr const char* kSpaceSet =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr const char* kVowelSeparator = "\xE1\xA0\x8E";  // U+180E, white space until Unicode 6.3

/// Rewrites one expression, character by character.
class Translator {
 public:
  Translator(const std::string& pattern, bool exact) : pattern_(pattern), exact_(exact) {}

  std::string translate() {
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\')
        escape();
      else if (in_class_)
        class_character();
      else
        character();
    }
    return lines_ ? "(?m)" + out_ : out_;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail("the regular expression \"{}\" has {}, which Falconer does not match as `tokenizers` does",
         pattern_, what);
  }
  bool next_is(std::string_view text) const {
    return std::string_view(pattern_).substr(at_).starts_with(text);
  }
  void copy(size_t count) {
    out_.append(pattern_, at_, count);
    at_ += count;
  }

  void escape() {
    if (at_ + 1 >= pattern_.size()) return copy(1);  // PCRE2 says that it is wrong
    const char c = pattern_[at_ + 1];
    static constexpr std::string_view kOther = "hHvVQEBCGoOyYMNXKkgu";
    const auto spelled = [&] { return std::string("\\") + c; };
    if (kOther.find(c) != kOther.npos || (in_class_ && (c == 'W' || c == 'R'))) refuse(spelled());
    if (c >= '1' && c <= '9') refuse(spelled());
    const std::string word = kWordSet, space = kSpaceSet;
    if (c == 'w') return replace(in_class_ ? word : "[" + word + "]");
    if (c == 'W') return replace("[^" + word + "]");
    if (c == 'b' && !in_class_)
      return replace("(?:(?<=[" + word + "])(?![" + word + "])|(?<![" + word + "])(?=[" + word +
                     "]))");
    if (exact_ && c == 's') return replace(in_class_ ? space : "[" + space + "]");
    if (exact_ && c == 'S' && !in_class_) return replace("[^" + space + "]");
    const bool braces =
        (c == 'p' || c == 'P' || c == 'x') && at_ + 2 < pattern_.size() && pattern_[at_ + 2] == '{';
    const size_t end = braces ? pattern_.find('}', at_) : at_ + 1;
    if (braces && c != 'x') check_property(pattern_.substr(at_ + 3, end - at_ - 3));
    copy(end == pattern_.npos ? pattern_.size() - at_ : end + 1 - at_);
  }

  /// Names that both have mean the same for categories and scripts; others may not.
  void check_property(const std::string& name) const {
    for (const char* other : {"Xan", "Xps", "Xsp", "Xuc", "Xwd", "L&", "Any"})
      if (name.find(other) != name.npos) refuse("\\p{" + name + "}");
  }

  void replace(const std::string& with) {
    out_ += with;
    at_ += 2;
  }

  void class_character() {
    if (pattern_[at_] == '[') refuse(next_is("[:") ? "a class [:name:]" : "brackets in brackets");
    if (next_is("&&")) refuse("&&");
    if (pattern_[at_] == ']') in_class_ = false;
    copy(1);
  }

  void character() {
    switch (pattern_[at_]) {
      case '[':
        in_class_ = true;
        copy(1);
        if (next_is("^")) copy(1);
        if (next_is("]")) refuse("an unescaped ] at the beginning of brackets");
        return;
      case '^':
      case '$':
        lines_ = true;
        return copy(1);
      case '(':
        return group();
      case '{':
        return interval();
      default:
        return copy(1);
    }
  }

  void group() {
    if (next_is("(*")) refuse("(*");
    if (!next_is("(?")) return copy(1);
    for (const char* same : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"})
      if (next_is(same)) return copy(std::string_view(same).size());
    if (next_is("(?i:")) return copy(4);
    if (next_is("(?i)") && at_ == 0) return copy(4);  // further on it makes a group there
    if (next_is("(?m:")) {
      at_ += 4;
      out_ += "(?s:";
      return;
    }
    refuse(pattern_.substr(at_, 4));
  }

  /// {n}, {n,}, {n,m} and {,m}. Behind them ? and + mean something else than with PCRE2.
  void interval() {
    const size_t end = pattern_.find('}', at_);
    if (end == pattern_.npos) refuse("{ without }");
    const std::string inside = pattern_.substr(at_ + 1, end - at_ - 1);
    if (inside.empty() || inside == "," || inside.find_first_not_of("0123456789,") != inside.npos)
      refuse("{" + inside + "}");
    at_ = end + 1;
    out_ += (inside[0] == ',' ? "{0" : "{") + inside + "}";
    if (next_is("+") || (next_is("?") && inside.find(',') == inside.npos))
      refuse("{" + inside + "}" + pattern_[at_]);
  }

  const std::string& pattern_;
  bool exact_;
  size_t at_ = 0;
  bool in_class_ = false, lines_ = false;
  std::string out_;
};

}  // namespace

Expression::Expression(const std::string& pattern)
    : usual_(Translator(pattern, false).translate()) {
  if (pattern.find("\\s") != pattern.npos || pattern.find("\\S") != pattern.npos)
    exact_.emplace(Translator(pattern, true).translate());
}

Expression Expression::of_text(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && is_punctuation(static_cast<char32_t>(c)))
      pattern.push_back('\\');
    pattern.push_back(c);
  }
  return Expression(pattern);
}

Expression Expression::from_json(const nlohmann::json& pattern) {
  if (pattern.contains("Regex")) return Expression(pattern["Regex"].get<std::string>());
  return of_text(pattern.at("String").get<std::string>());
}

const Regex& Expression::for_text(std::string_view text) const {
  return exact_ && text.find(kVowelSeparator) != text.npos ? *exact_ : usual_;
}

}  // namespace falconer
