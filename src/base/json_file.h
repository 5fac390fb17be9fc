// JSON files, and what is wrong with one in words of our own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace falconer {

/// The object that a file holds. Error: it cannot be read, has more than `limit` bytes, is no JSON (with
/// the reason) or another kind of value; ends with `next`, what to do.
nlohmann::json read_json_object(const std::filesystem::path& path, size_t limit = size_t{1} << 28,
                                const char* next = "fetch it again");
/// As read_json_object(), of a config.json, which may have without_bare_numbers()'s.
nlohmann::json read_config_object(const std::filesystem::path& path);
/// The same text with {"__float__": "Infinity"}, as transformers 5 writes it, for a bare Infinity, -Infinity or NaN, which
/// Python's json writes and JSON does not have: in a config.json.
std::string without_bare_numbers(std::string_view text);
/// As above, of a text that is there already. `where` names it.
nlohmann::json parse_json_object(std::string_view text, const std::string& where,
                                 const char* next = "fetch it again");

/// Why a text is no JSON that is read: "it is empty", "number overflow parsing '1e400'". Empty where
/// nothing is wrong with it.
std::string json_complaint(std::string_view text);

/// What nlohmann's exceptions say, without the library's name and number in front.
std::string json_reason(const std::exception& error);

}  // namespace falconer
