// JSON from files that nobody has vouched for: headers and indexes of checkpoints.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace falconer {

/// Refuses what such a file never holds: nesting beyond eight levels, which would cost stack when
/// the value is walked, and a key that comes twice in one object, which would hide what came first.
/// Error: messages are written to follow "its header is " ("not JSON", ...).
nlohmann::json parse_strict_json(std::string_view text);

}  // namespace falconer
