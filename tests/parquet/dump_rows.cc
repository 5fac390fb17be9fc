// Prints the rows of Parquet files as lines of JSON, for tools/parquet_beside_pyarrow:
//   dump_rows FILE...      a line "# FILE" before each file's rows, and "! ERROR" where reading ends with one
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "parquet/rows.h"

int main(int count, char** words) {
  using namespace falconer;
  const auto print = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
  for (int i = 1; i < count; ++i) {
    print(std::string("# ") + words[i]);
    const parquet::RowReaders readers{
        .row =
            [&](const nlohmann::ordered_json& row, int64_t) {
              print(row.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
            },
        .bad = [&](int64_t number,
                   const std::string& what) { print(fmt::format("! row {}: {}", number, what)); }};
    try {
      parquet::read_rows(words[i], readers, {.nested_nulls = true});
    } catch (const Error& error) {
      print(std::string("! ") + error.what());
    }
  }
  return 0;
}
