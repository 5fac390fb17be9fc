// The little of YAML that LitGPT's settings files are made of.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace falconer {

/// Mappings of keys to plain or quoted values, nested by indentation, and lists of such values in flow style
/// ("[1, 2]") or with a dash on each line; lists of mappings are left out. Numbers, true, false and null become what they are.
/// Errors: messages are written to follow "its line ".
nlohmann::json parse_simple_yaml(std::string_view text);

/// A value as YAML spells it: 1e-05 is a text to many of its readers, 1.0e-05 a number.
std::string yaml_scalar(const nlohmann::ordered_json& value);

/// A file of it. Error: missing, larger than settings are, or not such YAML.
nlohmann::json read_simple_yaml(const std::filesystem::path& path);

}  // namespace falconer
