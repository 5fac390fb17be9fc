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

JsonArrayScanner::JsonArrayScanner(std::string_view text, bool all) : text_(text), all_(all) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  while (!text_.empty() && is_blank(text_.front())) text_.remove_prefix(1);
  if (all_) trim_end();
  ended_ = !text_.starts_with('[');
  at_ = 1;
}

void JsonArrayScanner::trim_end() {
  while (text_.size() > at_ && is_blank(text_.back())) text_.remove_suffix(1);
}

void JsonArrayScanner::go_on_in(std::string_view text, bool all) {
  text_ = text;
  at_ = 0;
  all_ = all;
  wants_more_ = false;
  if (all_) trim_end();
}

std::optional<std::string_view> JsonArrayScanner::next() {
  if (ended_) return {};
  const size_t begin = at_;
  const auto more = [&] {
    at_ = begin;
    wants_more_ = true;
    return std::nullopt;
  };
  int64_t depth = 1;
  for (; at_ < text_.size(); ++at_) {
    switch (text_[at_]) {
      case '"':
        at_ = end_of_string(text_, at_);
        break;
      case '[':
      case '{':
        ++depth;
        break;
      case ']':
      case '}':
        if (--depth > 0) break;
        if (!all_) return more();  // whether anything but blanks follows is not known yet
        ended_ = true;
        whole_ = at_ + 1 == text_.size() && text_[at_] == ']';
        // "[]" alone may hold nothing between its brackets.
        if (!whole_ || (first_ && text_.find_first_not_of(" \t\n\r", begin) == at_)) return {};
        return text_.substr(begin, at_ - begin);
      case ',':
        if (depth > 1) break;
        first_ = false;
        return text_.substr(begin, at_++ - begin);
      default:
        break;
    }
  }
  if (!all_) return more();
  ended_ = true;
  return {};
}

std::optional<std::vector<std::string_view>> json_array_elements(std::string_view text) {
  JsonArrayScanner scanner(text);
  std::vector<std::string_view> elements;
  while (const auto element = scanner.next()) elements.push_back(*element);
  return scanner.whole() ? std::optional(std::move(elements)) : std::nullopt;
}

}  // namespace falconer
