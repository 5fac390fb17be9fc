// Rows of a Parquet file as JSON objects.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace falconer::parquet {

struct RowReaders {
  /// An object with a member for each column, and the row's number in the file, from 1.
  std::function<void(const nlohmann::ordered_json& row, int64_t number)> row;
  /// What is wrong with a row that cannot be one; the others are not affected.
  std::function<void(int64_t number, const std::string& what)> bad;
};

struct ReadOptions {
  /// Members of nested structs that are null are members too. Whoever writes rows of JSON as Parquet gives
  /// each struct all keys that any has, with null for those that it had not: without this they are absent,
  /// as they were. Columns themselves always are there.
  bool nested_nulls = false;
};

/// Reads row after row: one page of each column at a time is in memory, and what was read of the file is
/// forgotten. See docs/data.md for what becomes of the types. Errors name file, row group and column: it is no
/// Parquet file, is damaged or encrypted, compressed with what is not read here, has a row of more than
/// 256 MB, or nests or claims more than the bounds.
void read_rows(const std::filesystem::path& file, const RowReaders& readers,
               const ReadOptions& options = {});

}  // namespace falconer::parquet
