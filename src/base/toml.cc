#include "base/toml.h"

#include <algorithm>
#include <cctype>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

namespace falconer {
namespace {

constexpr size_t kLargestFile = size_t{1} << 20;

// Code point to UTF-8; surrogates and what is beyond Unicode were refused before.
class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  std::vector<TomlEntry> parse() {
    std::vector<TomlEntry> entries;
    std::unordered_map<std::string, int> lines;
    for (skip_lines(); at_ < text_.size(); skip_lines()) {
      TomlEntry entry = parse_entry();
      const auto [other, added] = lines.try_emplace(entry.key, entry.line);
      if (!added) wrong(entry.line, "{} was given in line {} already", entry.key, other->second);
      entries.push_back(std::move(entry));
    }
    return entries;
  }

 private:
  template <class... Args>
  [[noreturn]] void wrong(int line, fmt::format_string<Args...> format, Args&&... args) const {
    fail_usage("{}:{}: {}", name_, line, fmt::format(format, std::forward<Args>(args)...));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_line_end() const {
    return at_ >= text_.size() || text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n";
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  // Blanks, comments and ends of lines.
  void skip_lines() {
    for (;;) {
      skip_blanks();
      if (peek() == '#')
        while (!at_line_end()) ++at_;
      if (at_ >= text_.size() || !at_line_end()) return;
      at_ += text_[at_] == '\r' ? 2 : 1;
      ++line_;
    }
  }
  void expect_line_end() {
    skip_blanks();
    if (peek() == '#')
      while (!at_line_end()) ++at_;
    if (!at_line_end())
      wrong(line_, "expected the end of the line, found \"{}\"", printable(rest_of_line()));
  }
  std::string_view rest_of_line() const {
    return text_.substr(at_, std::min(text_.find('\n', at_), text_.size()) - at_);
  }

  TomlEntry parse_entry() {
    TomlEntry entry;
    entry.line = line_;
    if (peek() == '[')
      wrong(line_, "a recipe has no tables: found \"{}\"; write its keys without it",
            printable(rest_of_line()));
    entry.key = peek() == '"' || peek() == '\'' ? parse_string() : parse_bare_key();
    skip_blanks();
    if (peek() != '=')
      wrong(line_, "expected \"{} = value\", found no \"=\" behind the key", printable(entry.key));
    ++at_;
    skip_blanks();
    if (peek() == '[') {
      parse_array(entry);
    } else {
      entry.values.push_back(parse_value());
    }
    expect_line_end();
    return entry;
  }

  std::string parse_bare_key() {
    const size_t begin = at_;
    while (std::isalnum(static_cast<unsigned char>(peek())) || peek() == '_' || peek() == '-')
      ++at_;
    if (at_ == begin || peek() == '.')
      wrong(line_, "expected \"key = value\", found \"{}\"",
            printable(text_.substr(begin, rest_of_line().size() + at_ - begin)));
    return std::string(text_.substr(begin, at_ - begin));
  }

  void parse_array(TomlEntry& entry) {
    entry.array = true;
    ++at_;
    for (skip_lines(); peek() != ']'; skip_lines()) {
      if (at_ >= text_.size()) wrong(entry.line, "the array of {} has no end", entry.key);
      if (peek() == '[') wrong(line_, "{}: arrays in arrays are not understood", entry.key);
      entry.values.push_back(parse_value());
      skip_lines();
      if (peek() == ',')
        ++at_;
      else if (peek() != ']')
        wrong(line_, "expected \",\" or \"]\" in the array of {}, found \"{}\"", entry.key,
              printable(rest_of_line()));
    }
    ++at_;
  }

  std::string parse_value() {
    if (peek() == '"' || peek() == '\'') return parse_string();
    const size_t begin = at_;
    while (at_ < text_.size() && std::string_view(" \t\r\n,]#").find(text_[at_]) == text_.npos)
      ++at_;
    const std::string word(text_.substr(begin, at_ - begin));
    if (word == "true" || word == "false") return word;
    const std::string number = plain_number(word);
    if (number.empty())
      wrong(line_, "\"{}\" is no value; expected a number, true, false, or text in quotes",
            printable(word));
    return number;
  }

  // A decimal number as TOML has them, without its `_`; empty where it is none.
  static std::string plain_number(const std::string& word) {
    std::string number;
    for (size_t i = 0; i < word.size(); ++i) {
      if (word[i] != '_') {
        number += word[i];
      } else if (i == 0 || i + 1 == word.size() || !digit(word[i - 1]) || !digit(word[i + 1])) {
        return "";
      }
    }
    size_t at = !number.empty() && (number[0] == '+' || number[0] == '-') ? 1 : 0;
    if (number.substr(at) == "inf" || number.substr(at) == "nan") return number;
    const auto digits = [&] {
      const size_t begin = at;
      while (at < number.size() && digit(number[at])) ++at;
      return at > begin;
    };
    if (!digits()) return "";
    if (at < number.size() && number[at] == '.' && (++at, !digits())) return "";
    if (at < number.size() && (number[at] == 'e' || number[at] == 'E')) {
      ++at;
      if (at < number.size() && (number[at] == '+' || number[at] == '-')) ++at;
      if (!digits()) return "";
    }
    if (at != number.size()) return "";
    return number[0] == '+' ? number.substr(1) : number;
  }
  static bool digit(char c) { return c >= '0' && c <= '9'; }

  std::string parse_string() {
    const char quote = text_[at_];
    if (text_.substr(at_, 3) == std::string(3, quote))
      wrong(line_, "text over several lines is not understood; write \\n in \"...\"");
    ++at_;
    std::string value;
    while (peek() != quote || at_ >= text_.size()) {
      if (at_line_end()) wrong(line_, "text without its closing {}", quote);
      if (static_cast<unsigned char>(peek()) < ' ' && peek() != '\t')
        wrong(line_, "a control character in text; write it as \\u00..");
      if (peek() == '\\' && quote == '"')
        parse_escape(value);
      else
        value += text_[at_++];
    }
    ++at_;
    return value;
  }

  void parse_escape(std::string& value) {
    ++at_;
    const char c = peek();
    ++at_;
    constexpr std::string_view kNames = "btnfr\"\\", kValues = "\b\t\n\f\r\"\\";
    if (const size_t which = kNames.find(c); c != '\0' && which != kNames.npos) {
      value += kValues[which];
      return;
    }
    const size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code = 0;
    bool good = digits > 0 && at_ + digits <= text_.size();
    for (size_t i = 0; good && i < digits; ++i, ++at_) {
      const char d = text_[at_];
      good = std::isxdigit(static_cast<unsigned char>(d)) != 0;
      code = code * 16 + static_cast<uint32_t>(digit(d) ? d - '0' : (d | 0x20) - 'a' + 10);
    }
    if (!good || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      wrong(line_, "an escape in text that is none; a backslash itself is written \\\\");
    append_utf8(value, code);
  }

  std::string_view text_;
  std::string name_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<TomlEntry> parse_toml(std::string_view text, const std::string& name) {
  return Parser(text, name).parse();
}

std::vector<TomlEntry> read_toml(const std::filesystem::path& path) {
  return parse_toml(read_text_file(path, kLargestFile), path.string());
}

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace falconer
