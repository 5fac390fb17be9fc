// JSON from files that nobody has vouched for. Its shape is looked at before it is parsed: values
// within each other cost stack when they are copied or written, and an object that keeps the order of
// its keys looks through all of them for each.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace falconer {

inline constexpr int kDeepestJson = 100;          // lists and objects within each other
inline constexpr size_t kMostJsonMembers = 4096;  // of one object that keeps their order

/// What is beyond these bounds, to follow a name ("holds lists or objects ..."); empty where nothing
/// is. `ordered`: whether the number of members counts. Text that is no JSON may pass.
std::string json_excess(std::string_view text, bool ordered);

/// The value; a discarded one where the text is not JSON or beyond the bounds.
nlohmann::json parse_json(std::string_view text);
nlohmann::ordered_json parse_ordered_json(std::string_view text);

}  // namespace falconer
