// Recipes: a flat file of TOML, one `key = value` a line, read strictly and written back.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// A value as text: strings without quotes and escapes, numbers without `_`, "true" and "false".
struct TomlEntry {
  std::string key;
  std::vector<std::string> values;  // one, or those of an array
  bool array = false;
  int line = 0;  // where the key stands; from 1
};

/// The entries in order. Understood: comments, bare and quoted keys, "basic" and 'literal' strings
/// of one line, numbers, booleans, arrays of these over several lines. Errors name file and line:
/// anything else (tables, dates, nested arrays), a key that is given twice.
std::vector<TomlEntry> parse_toml(std::string_view text, const std::string& name);
std::vector<TomlEntry> read_toml(const std::filesystem::path& path);

/// `text` as a basic string, quoted.
std::string toml_string(std::string_view text);

}  // namespace falconer
