// Which files hold rows, by their names: for what reads them, and for what only has to know one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/unpack.h"

namespace falconer {

enum class RowFormat { kNone, kJsonLines, kJson, kCsv, kTsv, kParquet };

struct RowFile {
  RowFormat format = RowFormat::kNone;  // none: such files are not read as rows
  Packing packing = Packing::kNone;

  bool is_table() const { return format == RowFormat::kCsv || format == RowFormat::kTsv; }
};

/// By the end of its name, in small or capital letters: .jsonl, .ndjson, .json, .csv and .tsv, each also with .gz or .zst behind it, and
/// .parquet.
RowFile row_file(std::string_view name);

/// The ends, "." with them; those that are looked for first come first.
const std::vector<std::string>& row_file_endings();

/// The ends for messages: ".json, .jsonl, .csv, .tsv or .parquet".
inline constexpr std::string_view kRowEndings = ".json, .jsonl, .csv, .tsv or .parquet";

}  // namespace falconer
