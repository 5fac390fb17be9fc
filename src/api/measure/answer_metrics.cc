#include "api/measure/answer_metrics.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/utf8.h"
#include "text/unicode.h"

namespace falconer {
namespace {

using Tokens = std::vector<std::string>;

bool is_ascii_punctuation(char32_t code) {
  return code > ' ' && code < 0x7F && !is_letter(code) && !is_number(code);
}

/// Articles end where a word does, so that "the" of "the\u2014end" is one, too.
std::string without_articles(const std::string& text) {
  std::string made, word;
  const auto end_word = [&] {
    made += word == "a" || word == "an" || word == "the" ? " " : word;
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const Utf8Char next = decode_utf8(text, at);
    if (!is_word(next.code)) end_word();
    (is_word(next.code) ? word : made).append(text, at, next.length);
    at += next.length;
  }
  end_word();
  return made;
}

Tokens squad_tokens(const std::string& text) {
  const std::string lower = to_lower_case(to_valid_utf8(text));
  std::string plain;
  for (size_t at = 0; at < lower.size();) {
    const Utf8Char next = decode_utf8(lower, at);
    if (!is_ascii_punctuation(next.code)) plain.append(lower, at, next.length);
    at += next.length;
  }
  plain = without_articles(plain);
  Tokens tokens(1);
  for (size_t at = 0; at < plain.size();) {
    const Utf8Char next = decode_utf8(plain, at);
    if (!is_space(next.code))
      tokens.back().append(plain, at, next.length);
    else if (!tokens.back().empty())
      tokens.emplace_back();
    at += next.length;
  }
  if (tokens.back().empty()) tokens.pop_back();
  return tokens;
}

Tokens rouge_tokens(const std::string& text) {
  Tokens tokens(1);
  for (const char c : to_lower_case(to_valid_utf8(text))) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      tokens.back() += c;
    else if (!tokens.back().empty())
      tokens.emplace_back();
  }
  if (tokens.back().empty()) tokens.pop_back();
  return tokens;
}

size_t longest_common(const Tokens& a, const Tokens& b) {
  std::vector<size_t> before(b.size() + 1), now(b.size() + 1);
  for (const std::string& token : a) {
    for (size_t j = 0; j < b.size(); ++j)
      now[j + 1] = token == b[j] ? before[j] + 1 : std::max(before[j + 1], now[j]);
    std::swap(before, now);
  }
  return before[b.size()];
}

/// The harmonic mean of the shares of both that are in common.
double f_measure(size_t common, const Tokens& a, const Tokens& b) {
  return common == 0 ? 0
                     : 2 * static_cast<double>(common) / static_cast<double>(a.size() + b.size());
}

}  // namespace

double token_f1(const std::string& answer, const std::string& expected) {
  const Tokens a = squad_tokens(answer), b = squad_tokens(expected);
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  std::map<std::string, size_t> there;
  for (const std::string& token : b) ++there[token];
  size_t common = 0;
  for (const std::string& token : a)
    if (size_t& left = there[token]; left > 0) {
      --left;
      ++common;
    }
  return f_measure(common, a, b);
}

double rouge_l(const std::string& answer, const std::string& expected) {
  const Tokens a = rouge_tokens(answer), b = rouge_tokens(expected);
  return f_measure(longest_common(a, b), a, b);
}

size_t characters_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace falconer
