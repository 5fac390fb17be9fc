#include "checkpoint/simple_yaml.h"

#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "base/trim.h"

namespace falconer {
namespace {

using nlohmann::json;

constexpr size_t kMostDepth = 8;
constexpr size_t kLargestFile = 1 << 20;

/// Up to a comment: a '#' at the beginning or behind a space, outside of quotes.
std::string_view without_comment(std::string_view line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (quote != 0) {
      if (line[i] == quote) quote = 0;
    } else if (line[i] == '\'' || line[i] == '"') {
      quote = line[i];
    } else if (line[i] == '#' && (i == 0 || line[i - 1] == ' ')) {
      return line.substr(0, i);
    }
  }
  return line;
}

json scalar(std::string_view text) {
  if (text.size() >= 2 && text.front() == text.back() && (text[0] == '\'' || text[0] == '"'))
    return std::string(text.substr(1, text.size() - 2));
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  if (text == "true") return true;
  if (text == "false") return false;
  int64_t whole = 0;
  const char* end = text.data() + text.size();
  if (auto [at, error] = std::from_chars(text.data(), end, whole);
      error == std::errc() && at == end)
    return whole;
  double number = 0;
  if (auto [at, error] = std::from_chars(text.data(), end, number);
      error == std::errc() && at == end)
    return number;
  return std::string(text);
}

json value_of(std::string_view text) {
  if (text.starts_with('{') && text.ends_with('}') &&
      trimmed(text.substr(1, text.size() - 2)).empty())
    return json::object();
  if (!text.starts_with('[') || !text.ends_with(']')) return scalar(text);
  json list = json::array();
  std::string_view rest = trimmed(text.substr(1, text.size() - 2));
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    list.push_back(scalar(trimmed(rest.substr(0, comma))));
    rest = comma < rest.size() ? trimmed(rest.substr(comma + 1)) : std::string_view();
  }
  return list;
}

/// A mapping that is open, and how far its keys are indented.
struct Level {
  size_t indent = 0;
  json* mapping = nullptr;
};

class Parser {
 public:
  json parse(std::string_view text) {
    json root = json::object();
    levels_ = {{0, &root}};
    for (int64_t number = 1; !text.empty(); ++number) {
      const size_t end = std::min(text.find('\n'), text.size());
      line(text.substr(0, end), number);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return root;
  }

 private:
  void line(std::string_view whole, int64_t number) {
    const std::string_view text = trimmed(without_comment(whole));
    if (text.empty() || text == "---") return;
    if (text.starts_with('-')) return item(trimmed(text.substr(1)));
    const size_t indent = whole.find_first_not_of(' ');
    const size_t colon = text.find(": ") != text.npos ? text.find(": ") : text.size() - 1;
    if (text[colon] != ':') fail("{} is \"{}\"; expected \"key: value\"", number, printable(text));
    open_level(indent, number);
    const json key = scalar(trimmed(text.substr(0, colon)));
    const std::string name = key.is_string() ? key.get<std::string>() : key.dump();
    json& place = (*levels_.back().mapping)[name];
    place = value_of(trimmed(text.substr(colon + 1)));
    // Where nothing follows the colon, a mapping or a list may follow in the next lines.
    nested_ = place.is_null() && colon + 1 == text.size() ? &place : nullptr;
  }

  /// Of a list, each value on a line of its own; what is no plain value is left out.
  void item(std::string_view text) {
    if (nested_ == nullptr || text.find(": ") != text.npos || text.ends_with(':')) return;
    if (nested_->is_null()) *nested_ = json::array();
    nested_->push_back(value_of(text));
  }

  void open_level(size_t indent, int64_t number) {
    if (nested_ != nullptr && nested_->is_null() && indent > levels_.back().indent) {
      if (levels_.size() == kMostDepth) fail("{} is nested too deeply", number);
      *nested_ = json::object();
      levels_.push_back({indent, nested_});
      return;
    }
    while (levels_.size() > 1 && indent < levels_.back().indent) levels_.pop_back();
    if (indent != levels_.back().indent) fail("{} is not indented as those before it", number);
  }

  std::vector<Level> levels_;
  json* nested_ = nullptr;
};

}  // namespace

json parse_simple_yaml(std::string_view text) { return Parser().parse(text); }

std::string yaml_scalar(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string text = value.dump();
  const size_t exponent = text.find('e');
  if (value.is_number_float() && exponent != text.npos && text.find('.') == text.npos)
    text.insert(exponent, ".0");
  return text;
}

json read_simple_yaml(const std::filesystem::path& path) {
  try {
    return parse_simple_yaml(read_text_file(path, kLargestFile));
  } catch (const Error& error) {
    fail("{}: its line {}", path.string(), error.what());
  }
}

}  // namespace falconer
