// Objects from files of examples: a JSON array, JSON lines, tables with a header (each also compressed), or
// Parquet.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/read_as.h"
#include "data/row_delivery.h"

namespace falconer {

/// What the rows of a file are counted by, from 1, for people: "line", on which a row begins; "row" in a
/// JSON array that stands in one line, as Python's json.dump writes it, or is compressed, and in Parquet.
std::string_view counted_by(const std::filesystem::path& file, const ReadAs& as = {});
/// The same of rows in memory.
std::string_view text_counted_by(std::string_view text);

/// Reads by the file's ending (base/row_file.h), never more than a part of the file at a time; a .json file
/// that starts with "{" is read as JSON lines, and a .jsonl file that is an array of rows as one, which is
/// said. A list of messages is a row: {"messages": list}. Errors: the file cannot be read or has another kind; a JSON array that is cut short; a row of more
/// than 256 MB; in tables a quote that is never closed, or two columns of one name; compressed data that is
/// damaged; those of parquet/rows.h. Rows that are no objects or have a key twice go to `bad`, as do rows for
/// which `row` throws an Error, and those of tables that csv.h finds wrong.
void read_raw_rows(const std::filesystem::path& file, const OnRawRow& row, const OnBadRow& bad,
                   const ReadAs& as = {});

/// The same of a text in memory, which is a JSON array of rows or JSON lines; errors call it `name`.
void read_raw_rows(const std::filesystem::path& name, std::string_view text, const OnRawRow& row,
                   const OnBadRow& bad);

/// Error (usage): it is "-".
void refuse_standard_input(const std::filesystem::path& file);

/// Error: a kind of file that is not read, and what to do about it.
[[noreturn]] void refuse_file_kind(const std::filesystem::path& file);

}  // namespace falconer
