#include "base/json_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

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

}  // namespace

std::string json_excess(std::string_view text, bool ordered) {
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

}  // namespace falconer
