// Rows of the commands that score and tokenize: JSON lines, and what else files of rows may be.
#include "api/data/read_rows.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/streams.h"
#include "support/errors.h"
#include "support/packed.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

std::vector<std::string> lines_with_rows(const std::string& file) {
  std::vector<std::string> said;
  for_each_json_line(file, [&](const nlohmann::ordered_json& row, int64_t number) {
    if (row.contains("wrong")) fail("is wrong");
    said.push_back(fmt::format("{}: {}", number, row.dump()));
  });
  return said;
}

TEST(ReadRows, FilesThatAreNoLinesAreReadAsTrainingReadsThem) {
  const TempFolder folder;
  const std::string lines = "{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n";
  const std::vector<std::string> rows = {"1: {\"text\":\"a\"}", "3: {\"text\":\"b\"}"};
  write_file(folder / "rows.jsonl", lines);
  EXPECT_EQ(lines_with_rows((folder / "rows.jsonl").string()), rows);
  write_file(folder / "rows.jsonl.gz", packed_text(Packing::kGzip, lines));
  EXPECT_EQ(lines_with_rows((folder / "rows.jsonl.gz").string()), rows);
  write_file(folder / "rows.tsv", "text\na\n\nb\n");
  EXPECT_EQ(lines_with_rows((folder / "rows.tsv").string()),
            (std::vector<std::string>{"2: {\"text\":\"a\"}", "4: {\"text\":\"b\"}"}));
  const std::string parquet = std::string(source_dir()) + "/tests/parquet/files/alpaca.parquet";
  EXPECT_EQ(lines_with_rows(parquet),
            (std::vector<std::string>{
                R"(1: {"instruction":"Add.","input":"1 2","output":"3"})",
                R"(2: {"instruction":"Say hello.","input":"","output":"Hello!"})"}));
}

TEST(ReadRows, AnErrorSaysWhereTheRowIs) {
  const TempFolder folder;
  write_file(folder / "rows.csv", "text\na\n");
  const auto refused = [&](const std::string& file) {
    return message_of([&] {
      for_each_json_line(file, [](const nlohmann::ordered_json&, int64_t) { fail("is wrong"); });
    });
  };
  expect_mentions(refused((folder / "rows.csv").string()), {"rows.csv: line 2: is wrong"});
  expect_mentions(refused(std::string(source_dir()) + "/tests/parquet/files/alpaca.parquet"),
                  {"alpaca.parquet: row 1: is wrong"});
  // What cannot be written is not the row's fault.
  try {
    for_each_json_line((folder / "rows.csv").string(), [](const nlohmann::ordered_json&, int64_t) {
      throw OutputError("disk full", kExitFailure);
    });
    FAIL();
  } catch (const OutputError& error) {
    EXPECT_STREQ(error.what(), "disk full");
  }
}

}  // namespace
}  // namespace falconer::test
