// The small Parquet files beside the tests, which pyarrow wrote, and what becomes of one.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "parquet/rows.h"
#include "support/paths.h"

namespace falconer::test {

inline std::filesystem::path parquet_file(const std::string& name) {
  return std::filesystem::path(source_dir()) / "tests/parquet/files" / (name + ".parquet");
}

/// Rows as JSON; "3! what is wrong" for a bad one. Bytes that are no UTF-8 are shown as U+FFFD.
inline std::vector<std::string> parquet_rows(const std::filesystem::path& file,
                                             const parquet::ReadOptions& options = {}) {
  std::vector<std::string> said;
  const auto shown = nlohmann::ordered_json::error_handler_t::replace;
  parquet::read_rows(file,
                     {.row = [&](const nlohmann::ordered_json& row,
                                 int64_t) { said.push_back(row.dump(-1, ' ', false, shown)); },
                      .bad =
                          [&](int64_t number, const std::string& what) {
                            said.push_back(std::to_string(number) + "! " + what);
                          }},
                     options);
  return said;
}

}  // namespace falconer::test
