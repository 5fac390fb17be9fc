#include "base/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"

namespace falconer {
namespace {

/// Where the string that begins at `at` is closed; the end of `text` where it is not. Rows are strings
/// for the most part: the search is the system's.
size_t end_of_string(std::string_view text, size_t at) {
  for (size_t end = at;;) {
    end = text.find('"', end + 1);
    if (end == std::string_view::npos) return text.size();
    size_t before = end;
    while (before > at + 1 && text[before - 1] == '\\') --before;
    if ((end - before) % 2 == 0) return end;
  }
}

size_t members_in(std::string_view text) {
  size_t colons = 0;
  for (size_t at = 0; at < text.size(); ++at)
    if (text[at] == '"')
      at = end_of_string(text, at);
    else
      colons += text[at] == ':';
  return colons;
}

size_t members_of(const nlohmann::ordered_json& value) {
  size_t members = value.is_object() ? value.size() : 0;
  if (value.is_structured())
    for (const auto& element : value)
      if (element.is_structured()) members += members_of(element);
  return members;
}

}  // namespace

std::optional<std::string> repeated_key(std::string_view text,
                                        const nlohmann::ordered_json& parsed) {
  if (members_in(text) == members_of(parsed)) return {};
  std::vector<std::set<std::string>> open;
  std::optional<std::string> repeated;
  using Event = nlohmann::json::parse_event_t;
  const auto look = [&](int, Event event, nlohmann::ordered_json& value) {
    if (event == Event::object_start) open.emplace_back();
    if (event == Event::object_end) open.pop_back();
    if (event == Event::key && !open.back().insert(value.get<std::string>()).second && !repeated)
      repeated = value.get<std::string>();
    return true;
  };
  [[maybe_unused]] const auto again = nlohmann::ordered_json::parse(text, look, false);
  return repeated;
}

std::string repeated_key_text(const std::string& key) {
  return fmt::format("has the key \"{}\" twice, and only one of its values can count",
                     printable(key));
}

std::string array_text(std::string_view line) {
  if (line.substr(std::min(line.find_first_not_of(" \t"), line.size())).substr(0, 1) != "[")
    return {};
  return "the file seems to be a JSON array; expected a row in each line, without brackets around "
         "them "
         "and commas between them";
}

std::string json_excess(std::string_view text, bool ordered) {
  // The parser takes it for the end, and what stands behind it would be dropped in silence.
  if (text.find('\0') != std::string_view::npos) return "holds a zero byte, which JSON cannot";
  size_t members[kDeepestJson] = {};  // colons so far, of what is open at each level
  int depth = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '"':
        at = end_of_string(text, at);
        break;
      case '[':
      case '{':
        if (depth == kDeepestJson)
          return fmt::format("holds lists or objects more than {} deep", kDeepestJson);
        members[depth++] = 0;
        break;
      case ']':
      case '}':
        if (depth > 0) --depth;
        break;
      case ':':
        if (ordered && depth > 0 && ++members[depth - 1] > kMostJsonMembers)
          return fmt::format("holds an object of more than {} members", kMostJsonMembers);
        break;
      default:
        break;
    }
  }
  return {};
}

nlohmann::json parse_json(std::string_view text) {
  if (!json_excess(text, false).empty()) return nlohmann::json(nlohmann::json::value_t::discarded);
  return nlohmann::json::parse(text, nullptr, false);
}

nlohmann::ordered_json parse_ordered_json(std::string_view text) {
  if (!json_excess(text, true).empty())
    return nlohmann::ordered_json(nlohmann::ordered_json::value_t::discarded);
  return nlohmann::ordered_json::parse(text, nullptr, false);
}

std::string json_text(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace falconer
