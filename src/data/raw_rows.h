// Objects from files of examples: a JSON array, JSON lines, or CSV with a header.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace falconer {

/// What the rows of a file are counted by, from 1, for people: "line", on which a row begins; "row" in a
/// JSON array that stands in one line, as Python's json.dump writes it.
std::string_view counted_by(const std::filesystem::path& file);
/// The same of rows in memory.
std::string_view text_counted_by(std::string_view text);

/// Receives each object with its number, see counted_by().
using OnRawRow = std::function<void(const nlohmann::ordered_json& object, int64_t line)>;
/// Receives what is wrong with a row; throws, or counts and lets reading go on.
using OnBadRow = std::function<void(int64_t line, const std::string& what)>;

/// Reads by the file's ending (.json, .jsonl, .csv), never more than a part of the file at a time; a
/// .json file that starts with "{" is read as JSON lines, and a .jsonl file that is an array of rows as
/// one, which is said. Errors: the file cannot be read or has
/// another kind; a JSON array that is cut short; a row of more than 256 MB; in CSV a quote that is never
/// closed, or two columns of one name. Rows that are no objects or have a key twice go to `bad`, as do rows for which `row`
/// throws an Error, and those of CSV that csv.h finds wrong.
void read_raw_rows(const std::filesystem::path& file, const OnRawRow& row, const OnBadRow& bad);

/// The same of a text in memory, which is a JSON array of rows or JSON lines; errors call it `name`.
void read_raw_rows(const std::filesystem::path& name, std::string_view text, const OnRawRow& row,
                   const OnBadRow& bad);

/// Error: a kind of file that is not read, and what to do about it.
[[noreturn]] void refuse_file_kind(const std::filesystem::path& file);

}  // namespace falconer
