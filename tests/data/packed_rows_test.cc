// Rows in compressed files, in tables with tabs and in Parquet: as if they stood in plain files.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "data/csv.h"
#include "data/load.h"
#include "data/raw_rows.h"
#include "support/errors.h"
#include "support/packed.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

/// "line: row", or "line! what is wrong".
std::vector<std::string> said_of(const std::filesystem::path& file) {
  std::vector<std::string> said;
  read_raw_rows(
      file,
      [&](const nlohmann::ordered_json& row, int64_t line) {
        said.push_back(fmt::format("{}: {}", line, row.dump()));
      },
      [&](int64_t line, const std::string& what) {
        said.push_back(fmt::format("{}! {}", line, what));
      });
  return said;
}

/// Several megabytes, so that they are unpacked in parts: in any part a row may break off.
std::string many_lines() {
  std::string text;
  for (int i = 0; i < 60000; ++i) {
    text +=
        fmt::format("{{\"text\":\"{} {}\"}}\n", i, std::string(static_cast<size_t>(i % 211), 'x'));
    if (i % 1000 == 0) text += "\n";
    if (i % 777 == 0) text += "{oops\n";
  }
  text += "{\"text\":\"" + std::string(9'000'000, 'y') + "\"}\n{\"text\":\"the last has no end\"}";
  return text;
}

std::string as_table(char separator) {
  std::string text = fmt::format("prompt{}completion\r\n", separator);
  for (int i = 0; i < 40000; ++i)
    text += fmt::format("\"{}, say \"\"it\"\"\nin two lines\t!\"{}{}\r\n", i, separator,
                        std::string(static_cast<size_t>(i % 173), 'z'));
  return text + fmt::format("short\n\"{}\"{}x", std::string(5'000'000, 'w'), separator);
}

void expect_same_when_packed(const std::string& name, const std::string& text) {
  const TempFolder folder;
  write_file(folder / name, text);
  const auto plain = said_of(folder / name);
  EXPECT_GT(plain.size(), 1000u);
  for (const auto& [packing, ending] :
       {std::pair{Packing::kGzip, ".gz"}, {Packing::kZstd, ".zst"}}) {
    write_file(folder / (name + ending), packed_text(packing, text));
    const auto packed = said_of(folder / (name + ending));
    EXPECT_TRUE(packed == plain) << name << ending << ": " << packed.size() << " rows and "
                                 << plain.size();
    EXPECT_EQ(counted_by(folder / (name + ending)), "line");
  }
}

TEST(PackedRows, JsonLinesAreTheSame) {
  expect_same_when_packed("rows.jsonl", many_lines());
  expect_same_when_packed("rows.ndjson", many_lines());
}

TEST(PackedRows, TablesAreTheSame) {
  expect_same_when_packed("rows.csv", as_table(','));
  expect_same_when_packed("rows.tsv", as_table('\t'));
}

TEST(PackedRows, ArraysAreTheSameAndCountedByRow) {
  const TempFolder folder;
  std::string text = "\xEF\xBB\xBF [\n";
  for (int i = 0; i < 60000; ++i)
    text += fmt::format("{{\"text\": \"{} ]}},\\\"{}\"}},\n", i,
                        std::string(static_cast<size_t>(i % 211), 'x'));
  text += "[2], {\"text\": \"" + std::string(9'000'000, 'y') + "\"}\n] \n ";
  write_file(folder / "rows.json", text);
  const auto plain = said_of(folder / "rows.json");
  ASSERT_EQ(plain.size(), 60002u);
  for (const auto& [packing, ending] :
       {std::pair{Packing::kGzip, ".gz"}, {Packing::kZstd, ".zst"}}) {
    const auto file = folder / (std::string("rows.json") + ending);
    write_file(file, packed_text(packing, text));
    const auto packed = said_of(file);
    ASSERT_EQ(packed.size(), plain.size());
    for (size_t i = 0; i < packed.size(); ++i) {
      const size_t behind = plain[i].find_first_of(":!");
      EXPECT_TRUE(packed[i] == std::to_string(i + 1) + plain[i].substr(behind)) << i;
    }
    EXPECT_EQ(counted_by(file), "row");
    for (const char* wrong :
         {"[{\"a\": 1}", "[{\"a\": 1}] {}", "[{\"a\": 1},]", "[{\"a\": 1}, {oops}]"}) {
      // What is wrong is there behind more than is unpacked at once.
      const std::string start = text.substr(0, text.find("[2]"));
      write_file(file, packed_text(packing, start + std::string(wrong).substr(1)));
      expect_mentions(message_of([&] { said_of(file); }), {"rows.json", "is not valid JSON"});
    }
  }
}

TEST(PackedRows, DamageAndOtherKindsAreSaid) {
  const TempFolder folder;
  const std::string packed = packed_text(Packing::kGzip, many_lines());
  write_file(folder / "cut.jsonl.gz", std::string_view(packed).substr(0, packed.size() / 2));
  expect_mentions(message_of([&] { said_of(folder / "cut.jsonl.gz"); }),
                  {"cut.jsonl.gz: the gzip data breaks off", "fetch or write it again"});
  write_file(folder / "plain.jsonl.zst", "{\"a\": 1}\n");
  expect_mentions(message_of([&] { said_of(folder / "plain.jsonl.zst"); }),
                  {"plain.jsonl.zst", "the zstd data cannot be read"});
  for (const char* other : {"a.parquet.gz", "a.txt.zst", "a.tar.gz"}) {
    write_file(folder / other, "");
    expect_mentions(message_of([&] { said_of(folder / other); }),
                    {other, ".jsonl", "unpack it first"});
  }
  write_file(folder / "a.xlsx", "");
  expect_mentions(message_of([&] { said_of(folder / "a.xlsx"); }),
                  {"a.xlsx", ".json, .jsonl, .csv, .tsv or .parquet, or in .txt"});
}

// A gigabyte of one line that is packed into a megabyte is not unpacked as a whole.
TEST(PackedRows, ARowThatIsTooLongIsNotUnpacked) {
  const TempFolder folder;
  const std::string part = packed_text(Packing::kZstd, std::string(size_t{64} << 20, 'x'));
  std::string file = packed_text(Packing::kZstd, "{\"text\": \"a\"}\n{\"text\": \"");
  for (int i = 0; i < 16; ++i) file += part;
  write_file(folder / "long.jsonl.zst", file);
  expect_mentions(message_of([&] { said_of(folder / "long.jsonl.zst"); }),
                  {"long.jsonl.zst: line 2", "more than 256 MB"});
}

TEST(Tsv, TabsSeparateAndCommasDoNot) {
  const TempFolder folder;
  write_file(folder / "a.tsv",
             "prompt\tcompletion\na, b\t\"c\td\"\nshort\n\"x\"y\n\"p\nq\" z\tw\n");
  const auto said = said_of(folder / "a.tsv");
  ASSERT_EQ(said.size(), 4u);
  EXPECT_EQ(said[0], "2: {\"prompt\":\"a, b\",\"completion\":\"c\\td\"}");
  EXPECT_EQ(said[1], "3! has 1 field, and the header has 2");
  EXPECT_TRUE(said[2].starts_with("4! has 1 field")) << said[2];
  expect_mentions(said[3], {"5! has text behind the quote", "where a tab or a line's end belongs"});
}

class ParquetRows : public testing::Test {
 protected:
  static std::filesystem::path parquet(const std::string& name) {
    return std::filesystem::path(source_dir()) / "tests/parquet/files" / (name + ".parquet");
  }
  static LoadedData load(const std::filesystem::path& path, bool skip_bad = false) {
    static const Tokenizer tokenizer =
        Tokenizer::load(std::string(source_dir()) + "/demo/checkpoint");
    return load_dataset(path, &tokenizer,
                        {.encode = {}, .vocab = tokenizer.vocab_size(), .skip_bad = skip_bad});
  }
  static std::string dumped(const LoadedData& data) {
    std::string text;
    for (int64_t i = 0; i < data.rows().size(); ++i)
      text += fmt::format("{}: {}\n", data.rows().line(i), fmt::join(data.rows()[i].ids, " "));
    return text;
  }
};

TEST_F(ParquetRows, AreThoseOfTheSameJsonLines) {
  const TempFolder folder;
  write_file(folder / "a.jsonl",
             "{\"instruction\": \"Add.\", \"input\": \"1 2\", \"output\": \"3\"}\n"
             "{\"instruction\": \"Say hello.\", \"input\": \"\", \"output\": \"Hello!\"}\n");
  EXPECT_EQ(dumped(load(parquet("alpaca"))), dumped(load(folder / "a.jsonl")));
  EXPECT_EQ(counted_by(parquet("alpaca")), "row");
}

TEST_F(ParquetRows, MessagesAndBadRowsAreNamedByRow) {
  expect_mentions(message_of([&] { load(parquet("nested")); }),
                  {"nested.parquet: row 2: ", "--skip-bad"});
  const LoadedData data = load(parquet("nested"), true);
  EXPECT_EQ(data.report.rows, 1) << "the others have no answer";
  EXPECT_EQ(data.report.bad, 4);
  EXPECT_TRUE(data.report.first_bad.starts_with("row 2: ")) << data.report.first_bad;
}

TEST_F(ParquetRows, ShardsAreOneFileAndAllOfThem) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "data");
  const auto copy = [&](const std::string& name, const std::string& to) {
    std::filesystem::copy_file(parquet(name), folder / to,
                               std::filesystem::copy_options::overwrite_existing);
  };
  copy("alpaca", "data/train-00000-of-00002.parquet");
  expect_mentions(message_of([&] { load(folder.path()); }),
                  {"data", "holds 1 of the 2 parts of train", "part 00001 is missing"});
  copy("nested", "data/train-00001-of-00002.parquet");
  copy("alpaca", "data/validation-00000-of-00001-0123456789abcdef.parquet");
  write_file(folder / "README.md", "");
  // The second file has rows of another format: that its own rows are named is what counts.
  expect_mentions(message_of([&] { load(folder.path()); }),
                  {"data/train-00001-of-00002.parquet: row 1: ", "mend the row"});
  copy("alpaca", "data/train-00001-of-00002.parquet");
  const LoadedData data = load(folder.path());
  EXPECT_EQ(data.rows().size(), 4);
  EXPECT_EQ(data.rows().counted_by(), "row");
  EXPECT_EQ(data.rows().line(3), 4) << "counted through both";
  EXPECT_EQ(data.held_out().size(), 2);
  EXPECT_EQ(data.rows()[2].ids, data.rows()[0].ids);
  copy("alpaca", "data/train-00000-of-00001.parquet");
  expect_mentions(message_of([&] { load(folder.path()); }), {"the parts of train more than once"});
}

TEST_F(ParquetRows, AFolderWithoutASplitSaysWhatItCouldHold) {
  const TempFolder folder;
  write_file(folder / "rows.parquet", "");
  expect_mentions(message_of([&] { load(folder.path()); }),
                  {"folder data", "train-00000-of-00001.parquet", "it has rows.parquet"});
}

}  // namespace
}  // namespace falconer::test
