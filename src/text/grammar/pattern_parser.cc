#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/number.h"
#include "base/utf8.h"
#include "text/grammar/pattern.h"

namespace falconer::grammar {
namespace {

constexpr int kDeepestGroup = 50;
constexpr int64_t kMostRepeats = 4096;

using Codes = std::vector<CodeRange>;

Codes without_overlaps(Codes codes) {
  std::sort(codes.begin(), codes.end(),
            [](const CodeRange& a, const CodeRange& b) { return a.low < b.low; });
  Codes result;
  for (const CodeRange& range : codes) {
    if (!result.empty() && range.low <= result.back().high + 1)
      result.back().high = std::max(result.back().high, range.high);
    else
      result.push_back(range);
  }
  return result;
}

Codes all_but(const Codes& codes) {
  Codes result;
  char32_t low = 0;
  for (const CodeRange& range : codes) {
    if (low < range.low) result.push_back({low, range.low - 1});
    low = range.high + 1;
  }
  if (low <= kLastCode) result.push_back({low, kLastCode});
  return result;
}

// As ECMA-262 has them.
std::optional<Codes> class_of(char32_t letter) {
  const Codes digits{{'0', '9'}}, words{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  const Codes spaces{{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                     {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                     {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return all_but(digits);
    case 'w':
      return words;
    case 'W':
      return all_but(words);
    case 's':
      return spaces;
    case 'S':
      return all_but(spaces);
    default:
      return std::nullopt;
  }
}

PatternNode one_of(Codes codes) {
  return {.kind = PatternNode::kCharacters,
          .characters = without_overlaps(std::move(codes)),
          .parts = {}};
}

class PatternParser {
 public:
  explicit PatternParser(std::string_view pattern) {
    for (size_t at = 0; at < pattern.size();) {
      const Utf8Char next = decode_utf8(pattern, at);
      codes_.push_back(next.code);
      at += next.length;
    }
  }

  PatternNode parse() {
    PatternNode result = parse_either(0);
    if (at_ < codes_.size()) fail("its group ends at character {} and never began", at_ + 1);
    return result;
  }

 private:
  bool ended() const { return at_ == codes_.size(); }
  bool take(char32_t code) {
    if (ended() || codes_[at_] != code) return false;
    ++at_;
    return true;
  }
  char32_t need() {
    if (ended()) fail("it breaks off");
    return codes_[at_++];
  }

  static PatternNode anything() {
    return {.kind = PatternNode::kRepeat,
            .characters = {},
            .parts = {one_of({{0, kLastCode}})},
            .least = 0,
            .most = kAnyRoom};
  }

  // Of the whole expression each branch may be held to the start and the end of the text.
  PatternNode parse_either(int depth) {
    if (depth > kDeepestGroup) fail("it has more than {} groups in each other", kDeepestGroup);
    PatternNode result{.kind = PatternNode::kEither, .characters = {}, .parts = {}};
    do {
      PatternNode branch{.kind = PatternNode::kSequence, .characters = {}, .parts = {}};
      const bool begins = depth == 0 && take('^');
      if (depth == 0 && !begins) branch.parts.push_back(anything());
      bool ends = false;
      while (!ended() && codes_[at_] != '|' && codes_[at_] != ')') {
        if (depth == 0 && codes_[at_] == '$' &&
            (at_ + 1 == codes_.size() || codes_[at_ + 1] == '|')) {
          ++at_;
          ends = true;
          break;
        }
        branch.parts.push_back(parse_repeated(depth));
      }
      if (depth == 0 && !ends) branch.parts.push_back(anything());
      result.parts.push_back(std::move(branch));
    } while (take('|'));
    return result;
  }

  PatternNode parse_repeated(int depth) {
    PatternNode result = parse_one(depth);
    for (bool repeated = false;; repeated = true) {
      uint32_t least = 0, most = kAnyRoom;
      if (take('+'))
        least = 1;
      else if (take('?'))
        most = 1;
      else if (!take('*') && !take_counts(least, most))
        return result;
      if (repeated) fail("it has a quantifier behind a quantifier at character {}", at_);
      take('?');  // lazy: the same texts match
      if (most < least) fail("it has a quantifier of at least {} and at most {}", least, most);
      PatternNode inner = std::move(result);
      result = {.kind = PatternNode::kRepeat,
                .characters = {},
                .parts = {},
                .least = least,
                .most = most};
      result.parts.push_back(std::move(inner));
    }
  }

  uint32_t parse_count() {
    std::string digits;
    while (!ended() && codes_[at_] >= '0' && codes_[at_] <= '9')
      digits.push_back(static_cast<char>(codes_[at_++]));
    const auto count = whole_of_text(digits);
    if (!count || *count > kMostRepeats)
      fail("it has the count \"{}\", expected a number up to {}", printable(digits), kMostRepeats);
    return static_cast<uint32_t>(*count);
  }

  bool take_counts(uint32_t& least, uint32_t& most) {
    if (!take('{')) return false;
    least = most = parse_count();
    if (take(',')) most = !ended() && codes_[at_] == '}' ? kAnyRoom : parse_count();
    if (!take('}')) fail("its {{ at a quantifier has no }}");
    return true;
  }

  PatternNode parse_one(int depth) {
    const char32_t code = need();
    switch (code) {
      case '(': {
        if (take('?') && !take(':'))
          fail("it has a group that begins with (?, of which only (?: is supported");
        PatternNode group = parse_either(depth + 1);
        if (!take(')')) fail("its group has no )");
        return group;
      }
      case '[':
        return parse_class();
      case '.':
        return one_of(all_but({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
      case '\\': {
        const char32_t letter = need();
        if (auto codes = class_of(letter)) return one_of(*std::move(codes));
        const char32_t escaped = parse_escape(letter);
        return one_of({{escaped, escaped}});
      }
      case '^':
      case '$':
        fail("it has {} amid the expression, which is supported at its start and end alone",
             static_cast<char>(code));
      case '*':
      case '+':
      case '?':
      case '{':
        fail("it has {} with nothing before it to repeat", static_cast<char>(code));
      default:
        return one_of({{code, code}});
    }
  }

  // What stands behind a backslash and is one character.
  char32_t parse_escape(char32_t letter) {
    switch (letter) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case '0':
        return 0;
      case 'x':
        return parse_hex(2);
      case 'u':
        return parse_hex(4);
      default:
        break;
    }
    const bool word = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                      (letter >= '0' && letter <= '9');
    if (word || letter >= 0x80)
      fail("it has \\{}, which is not supported", printable(text_of(letter)));
    return letter;
  }

  static std::string text_of(char32_t code) {
    std::string text;
    append_utf8(text, code);
    return text;
  }

  char32_t parse_hex(int digits) {
    char32_t code = 0;
    for (int i = 0; i < digits; ++i) {
      const char32_t digit = need();
      const bool low = digit >= 'a' && digit <= 'f', high = digit >= 'A' && digit <= 'F';
      if (!low && !high && (digit < '0' || digit > '9'))
        fail("it has a character's number that is not of {} hexadecimal digits", digits);
      code = code * 16 + (low ? digit - 'a' + 10 : high ? digit - 'A' + 10 : digit - '0');
    }
    if (code >= 0xD800 && code <= 0xDFFF)
      fail("it has half of a character, \\u{:x}", uint32_t{code});
    return code;
  }

  PatternNode parse_class() {
    const bool opposite = take('^');
    Codes codes;
    while (!take(']')) {
      Codes low = parse_class_member();
      if (low.size() == 1 && low[0].low == low[0].high && at_ + 1 < codes_.size() &&
          codes_[at_] == '-' && codes_[at_ + 1] != ']') {
        ++at_;
        const Codes high = parse_class_member();
        if (high.size() != 1 || high[0].low != high[0].high || high[0].low < low[0].low)
          fail("it has a range in [] that goes down or to no character");
        low[0].high = high[0].high;
      }
      codes.insert(codes.end(), low.begin(), low.end());
    }
    codes = without_overlaps(std::move(codes));
    return one_of(opposite ? all_but(codes) : codes);
  }

  Codes parse_class_member() {
    const char32_t code = need();
    if (code != '\\') return {{code, code}};
    const char32_t letter = need();
    if (letter == 'b') return {{'\b', '\b'}};
    if (auto codes = class_of(letter)) return *std::move(codes);
    const char32_t escaped = letter == '-' ? U'-' : parse_escape(letter);
    return {{escaped, escaped}};
  }

  std::vector<char32_t> codes_;
  size_t at_ = 0;
};

}  // namespace

PatternNode parse_pattern(std::string_view pattern) {
  if (valid_utf8_prefix(pattern) < pattern.size()) fail("it is no UTF-8");
  return PatternParser(pattern).parse();
}

}  // namespace falconer::grammar
