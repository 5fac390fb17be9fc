// Objects from files of examples: a JSON array, JSON lines, or CSV with a header.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace falconer {

/// Receives each object with the line on which it begins, from 1.
using OnRawRow = std::function<void(const nlohmann::ordered_json& object, int64_t line)>;
/// Receives what is wrong with a row; throws, or counts and lets reading go on.
using OnBadRow = std::function<void(int64_t line, const std::string& what)>;

/// Reads by the file's ending (.json, .jsonl, .csv), never more than a part of the file at a time; a
/// .json file that starts with "{" is read as JSON lines. Errors: the file cannot be read or has
/// another kind; a JSON array that is cut short; a row of more than 256 MB. Rows that are no objects
/// go to `bad`, as do rows for which `row` throws an Error.
void read_raw_rows(const std::filesystem::path& file, const OnRawRow& row, const OnBadRow& bad);

/// Error: a kind of file that is not read, and what to do about it.
[[noreturn]] void refuse_file_kind(const std::filesystem::path& file);

}  // namespace falconer
