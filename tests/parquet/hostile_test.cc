// Parquet files that are cut, changed, or claim what cannot be: an error or rows, and never more.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "base/file.h"
#include "parquet/made_parquet.h"
#include "parquet/read_parquet.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> all_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(parquet_file("x").parent_path()))
    files.push_back(entry.path());
  return files;
}

/// Without syncing, for there are many.
void put(const fs::path& file, std::string_view content) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  ASSERT_TRUE(out.flush());
}

/// Reads it, as far as it can be; a few bytes may stand for any number of rows, and some are enough.
void read_some(const fs::path& file, int64_t& rows) {
  rows = 0;
  const auto count = [&](int64_t) {
    if (++rows > 3000) fail("enough");
  };
  try {
    parquet::read_rows(file, {.row = [&](const auto&, int64_t n) { count(n); },
                              .bad = [&](int64_t n, const std::string&) { count(n); }});
  } catch (const Error&) {
  }
}

TEST(HostileParquet, CutAtEveryByte) {
  const TempFolder folder;
  for (const fs::path& file : all_files()) {
    const std::string whole = read_text_file(file);
    put(folder / "cut.parquet", whole);
    for (size_t size = whole.size(); size > 0;) {
      fs::resize_file(folder / "cut.parquet", --size);
      expect_mentions(message_of([&] { parquet_rows(folder / "cut.parquet"); }), {"cut.parquet: "});
    }
  }
}

TEST(HostileParquet, CutWithinAndWholeAtItsEnds) {
  const TempFolder folder;
  int64_t rows = 0;
  for (const fs::path& file : all_files()) {
    const std::string whole = read_text_file(file);
    for (size_t at = 4; at + 12 < whole.size(); at += 3) {
      std::string cut = whole;
      cut.erase(at, 1 + at % 7);
      put(folder / "cut.parquet", cut);
      read_some(folder / "cut.parquet", rows);
    }
  }
}

TEST(HostileParquet, EveryByteAnother) {
  const TempFolder folder;
  int64_t rows = 0;
  for (const fs::path& file : all_files()) {
    const std::string whole = read_text_file(file);
    const auto begin = std::chrono::steady_clock::now();
    for (size_t at = 0; at < whole.size(); ++at) {
      constexpr int kBy[] = {1, 0xFF, 0x80, 2, 0x40};
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ kBy[at % 5]);
      put(folder / "changed.parquet", changed);
      read_some(folder / "changed.parquet", rows);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(120)) << file;
  }
}

/// What reading it says, and how many rows came before.
struct Outcome {
  std::string error;
  std::vector<std::string> rows;
};
Outcome read_made(const MadeParquet& made) {
  const TempFolder folder;
  put(folder / "made.parquet", made.file());
  Outcome outcome;
  const auto keep = [&](const std::string& row) {
    outcome.rows.push_back(row);
    if (outcome.rows.size() > 100) fail("that is enough");
  };
  try {
    parquet::read_rows(folder / "made.parquet",
                       {.row = [&](const auto& row, int64_t) { keep(row.dump()); },
                        .bad = [&](int64_t, const std::string& what) { keep(what); }});
  } catch (const Error& error) {
    outcome.error = error.what();
  }
  return outcome;
}

const std::string kSeven("\x07\0\0\0", 4);

TEST(HostileParquet, AMadeFileIsRead) {
  const Outcome outcome = read_made({.page = kSeven});
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.rows, std::vector<std::string>{"{\"c\":7}"});
}

// Nothing is allocated and nothing is done for what is only said.
TEST(HostileParquet, SizesAndCountsThatAreOnlySaid) {
  constexpr int64_t kMost = INT32_MAX, kHuge = INT64_MAX;
  const auto error = [](const MadeParquet& made) { return read_made(made).error; };
  const std::string where = "/made.parquet: row group 0: column \"c\": ";
  const auto says = [&](const MadeParquet& made, std::initializer_list<const char*> parts) {
    const std::string found = error(made);
    EXPECT_NE(found.find(where), std::string::npos) << found;
    expect_mentions(found, parts);
  };
  says({.page = kSeven, .packed = kMost}, {"a page has 2147483647 bytes", "left of the column"});
  says({.page = kSeven, .unpacked = kMost}, {"has 4 bytes", "says 2147483647"});
  says({.codec = 6, .page = kSeven, .unpacked = kMost},
       {"of 4 bytes is said to become 2147483647"});
  says({.codec = 1, .page = kSeven, .unpacked = 1 << 20}, {"does not become 1048576 by SNAPPY"});
  says({.page = kSeven, .values = -3, .chunk_values = 1}, {"below 0"});
  says({.page = kSeven, .values = kMost, .group_rows = kHuge}, {"breaks off: expected 4 bytes"});
  says({.page = kSeven, .chunk_values = kHuge, .group_rows = kHuge}, {"metadata breaks off"});
  says({.page = kSeven, .chunk_begin = kHuge}, {"not in the file"});
  says({.page = kSeven, .chunk_bytes = kHuge}, {"not in the file"});
  says({.page = kSeven, .chunk_begin = 0}, {"not in the file"});
  says({.codec = 77, .page = kSeven}, {"codec 77", "snappy, gzip"});
  says({.encoding = 8, .page = kSeven}, {"indices", "no dictionary"});
  says({.encoding = 77, .page = kSeven}, {"INT32 values as encoding 77"});
  says({.encoding = 8, .page = {}, .dictionary_values = kMost, .dictionary = kSeven},
       {"a dictionary of 2147483647 values in 4 bytes"});
  says({.encoding = 8,
        .page = std::string("\x03\x02\x05", 3),
        .dictionary_values = 1,
        .dictionary = kSeven},
       {"the index 5 into a dictionary of 1 values"});
  says({.encoding = 8,
        .page = std::string("\xFF\x02", 2),
        .dictionary_values = 1,
        .dictionary = kSeven},
       {"indices of 255 bits"});
  says({.page = kSeven, .group_rows = 2}, {"ends before its row group's rows do"});
  says({.page = kSeven + kSeven, .values = 2}, {"more values than its row group has rows"});
  expect_mentions(error({.page = kSeven, .group_rows = -1}), {"row group 0: has -1 rows"});
  expect_mentions(error({.page = kSeven, .file_rows = 9}), {"has 1 rows, and its footer says 9"});
  // A value of two gigabytes, of which there is nothing.
  says({.type = 7, .length = static_cast<int>(kMost), .page = kSeven},
       {"expected 2147483647 bytes"});
  says({.type = 7, .length = static_cast<int>(kMost), .encoding = 9, .page = kSeven},
       {"values of 2147483647 bytes in 4"});
  says({.type = 6, .page = std::string("\xFF\xFF\xFF\xFF", 4)}, {"expected 4294967295 bytes"});
  // Differences: two billion of them in blocks as large.
  const std::string header = ThriftStructure::varint(uint64_t{1} << 62) + "\x01\x05" + '\0';
  says({.encoding = 5, .page = header}, {"in blocks of 4611686018427387904"});
  says({.type = 6, .encoding = 6, .page = std::string("\x80\x01\x04\x01\x01", 5)},
       {"a value of -1 bytes"});
}

// One row that is a list of a billion: a run of one value has its length alone.
TEST(HostileParquet, RowsThatBecomeTooLong) {
  const auto levels = [](const std::string& run) {
    return std::string(1, static_cast<char>(run.size())) + std::string(3, '\0') + run;
  };
  const int64_t count = 1 << 30;
  const std::string first("\x02\x00", 2),
      rest = ThriftStructure::varint(uint64_t{count - 1} << 1) + "\x01";
  const std::string there = ThriftStructure::varint(uint64_t{count} << 1) + "\x01";
  MadeParquet made{.repetition = 2,
                   .encoding = 8,
                   .values = count,
                   .dictionary_values = 1,
                   .dictionary = kSeven};
  made.page = levels(first + rest) + levels(there) + '\0';
  const Outcome outcome = read_made(made);
  expect_mentions(outcome.error, {"row group 0", "column \"c\"", "a row of more than 256 MB"});
  EXPECT_TRUE(outcome.rows.empty());
}

TEST(HostileParquet, RowsOfManyNullsAreReadAsTheyCome) {
  const std::string run = ThriftStructure::varint(uint64_t{1} << 31) + std::string(1, '\0');
  MadeParquet made{.repetition = 1, .values = 1 << 30, .group_rows = 1 << 30};
  made.page = std::string(1, static_cast<char>(run.size())) + std::string(3, '\0') + run;
  const Outcome outcome = read_made(made);
  EXPECT_EQ(outcome.error, "that is enough") << "nobody waited for the last of them";
  EXPECT_EQ(outcome.rows.front(), "{\"c\":null}");
}

TEST(HostileParquet, ThriftThatNestsForever) {
  const TempFolder folder;
  ThriftStructure deep;  // field 15 of a structure, in field 15 of a structure, ...
  for (int i = 0; i < 100; ++i) deep = ThriftStructure().structure(15, deep);
  const std::string footer = deep.end();
  std::string file = "PAR1" + footer;
  for (int shift = 0; shift < 32; shift += 8) file += static_cast<char>(footer.size() >> shift);
  write_file(folder / "deep.parquet", file + "PAR1");
  expect_mentions(message_of([&] { parquet_rows(folder / "deep.parquet"); }),
                  {"deep.parquet", "nests structures more than 32 deep"});
}

}  // namespace
}  // namespace falconer::test
