#include "base/row_file.h"

#include <gtest/gtest.h>

namespace falconer::test {
namespace {

TEST(RowFile, IsKnownByTheEndOfItsName) {
  const auto is = [](std::string_view name, RowFormat format, Packing packing = Packing::kNone) {
    const RowFile kind = row_file(name);
    EXPECT_EQ(kind.format, format) << name;
    if (format != RowFormat::kNone) {
      EXPECT_EQ(kind.packing, packing) << name;
    }
  };
  is("a/b.jsonl", RowFormat::kJsonLines);
  is("b.ndjson", RowFormat::kJsonLines);
  is("b.json", RowFormat::kJson);
  is("b.csv", RowFormat::kCsv);
  is("b.tsv", RowFormat::kTsv);
  is("b.parquet", RowFormat::kParquet);
  is("b.jsonl.gz", RowFormat::kJsonLines, Packing::kGzip);
  is("b.csv.zst", RowFormat::kCsv, Packing::kZstd);
  is("B.JSONL", RowFormat::kJsonLines);
  is("B.CSV.GZ", RowFormat::kCsv, Packing::kGzip);
  for (const char* other :
       {"b.parquet.gz", "b.txt", "b.txt.gz", "b.gz", "jsonl", "b.jsonl.bz2", ""})
    is(other, RowFormat::kNone);
  for (const std::string& ending : row_file_endings())
    EXPECT_NE(row_file("train" + ending).format, RowFormat::kNone) << ending;
}

}  // namespace
}  // namespace falconer::test
