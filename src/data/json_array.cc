#include "data/json_array.h"

namespace falconer {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// The closing quote of the string whose opening one is at `at`; the end of `text` where it has
/// none.
size_t end_of_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at;
}

}  // namespace

std::optional<std::vector<std::string_view>> json_array_elements(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  if (!text.starts_with('[')) return {};
  std::vector<std::string_view> elements;
  size_t begin = 1;
  int64_t depth = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '"':
        at = end_of_string(text, at);
        break;
      case '[':
      case '{':
        ++depth;
        break;
      case ']':
      case '}':
        if (--depth > 0) break;
        if (at + 1 != text.size() || text[at] != ']') return {};
        // "[]" alone may hold nothing between its brackets.
        if (elements.empty() && text.find_first_not_of(" \t\n\r", 1) == at) return elements;
        elements.push_back(text.substr(begin, at - begin));
        return elements;
      case ',':
        if (depth > 1) break;
        elements.push_back(text.substr(begin, at - begin));
        begin = at + 1;
        break;
      default:
        break;
    }
  }
  return {};
}

}  // namespace falconer
