// JSON from files that nobody has vouched for. Its shape is looked at before it is parsed: values
// within each other cost stack when they are copied or written, and an object that keeps the order of
// its keys looks through all of them for each.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace falconer {

inline constexpr int kDeepestJson = 100;          // lists and objects within each other
inline constexpr size_t kMostJsonMembers = 4096;  // of one object that keeps their order

/// What is beyond these bounds, or no parser should see (a zero byte), to follow a name ("holds lists or objects ..."); empty where nothing
/// is. `ordered`: whether the number of members counts. Text that is no JSON may pass.
std::string json_excess(std::string_view text, bool ordered);

/// A key that an object in `text` has twice, where a parser takes the last in silence; nothing where none
/// has. `parsed` is what the text became. A count of what there is and what there should be tells, so that
/// only a text that is wrong is looked through.
std::optional<std::string> repeated_key(std::string_view text,
                                        const nlohmann::ordered_json& parsed);
/// "has the key "x" twice; ...": what is wrong with a row then.
std::string repeated_key_text(const std::string& key);

/// What is wrong with a `line` that begins with "[" where each is to be a row; empty for others.
std::string array_text(std::string_view line);

/// The value; a discarded one where the text is not JSON or beyond the bounds.
nlohmann::json parse_json(std::string_view text);
nlohmann::ordered_json parse_ordered_json(std::string_view text);

/// As text, what is within further in by `indent` (-1: all in one line). Bytes that are no UTF-8 become U+FFFD: paths and
/// what people type may be any.
std::string json_text(const nlohmann::json& json, int indent = -1);
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace falconer
