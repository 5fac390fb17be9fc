// Where the elements of a JSON array are, without parsing them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace falconer {

/// The texts of the elements of an array, which may be anything: each is still to be parsed, and
/// the array is valid JSON if and only if they all are. Nothing where `text` is no array, or has no
/// end, or something behind its end. A byte order mark before it is passed over.
std::optional<std::vector<std::string_view>> json_array_elements(std::string_view text);

}  // namespace falconer
