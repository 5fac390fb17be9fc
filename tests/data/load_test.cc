// Files of rows as people have them: every format, what is bad in them, and what the report says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "data/csv.h"
#include "data/raw_rows.h"
#include "data/report.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/said.h"
#include "support/temp_folder.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer loaded = Tokenizer::load(std::string(source_dir()) + "/demo/checkpoint");
  return loaded;
}

LoadOptions options(bool skip_bad = false) {
  return {.encode = {}, .vocab = tokenizer().vocab_size(), .skip_bad = skip_bad};
}

// The lines that a file's rows are said to stand on, bad ones below zero.
std::vector<int64_t> lines_of(const std::string& name, const std::string& content) {
  const TempFolder folder;
  write_file(folder / name, content);
  std::vector<int64_t> lines;
  read_raw_rows(
      folder / name, [&](const nlohmann::ordered_json&, int64_t line) { lines.push_back(line); },
      [&](int64_t line, const std::string&) { lines.push_back(-line); });
  return lines;
}

TEST(RawRows, EveryFormatNamesTrueLines) {
  using Lines = std::vector<int64_t>;
  EXPECT_EQ(lines_of("a.jsonl", "{}\n\n{\"a\":1}\nnonsense\n[]\n"), (Lines{1, 3, -4, -5}));
  EXPECT_EQ(lines_of("a.json", "[\n{\"a\": \"]},\\\"[\\n\"},\n\n  {\"b\":\n [1, {}]}, 7,\n{}]"),
            (Lines{2, 4, -5, 6}));
  EXPECT_EQ(lines_of("a.json", "[]"), Lines{});
  EXPECT_EQ(lines_of("a.json", "{\"a\":1}\n{\"b\":2}\n"), (Lines{1, 2})) << "JSON lines, really";
  EXPECT_EQ(lines_of("a.csv", "a,b\n1,2\n\"x\ny\",2\nshort\n3,4\n"), (Lines{2, 3, -5, 6}));
}

TEST(Csv, QuotesCommasAndLineEnds) {
  const auto records = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\r\n\"say \"\"hi\"\", you\",\r\n,x");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].fields, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(records[1].fields, (std::vector<std::string>{"say \"hi\", you", ""}));
  EXPECT_EQ(records[2].fields, (std::vector<std::string>{"", "x"}));
}

TEST(LoadRows, ATableMayBeInParts) {
  const TempFolder folder;
  for (const std::string end : {"csv", "tsv"}) {
    const std::string between = end == "tsv" ? "\t" : ",";
    const auto part = [&](int number, const std::string& rows) {
      const std::string name =
          fmt::format("{}/train-0000{}-of-00002.csv", (folder / end).string(), number);
      write_file(name.substr(0, name.size() - 3) + end, "prompt" + between + "completion\n" + rows);
    };
    std::filesystem::create_directories(folder / end);
    part(0, "a" + between + "b\n\"c\nd\"" + between + "e\n");
    part(1, "f" + between + "g\n");
    const LoadedData data = load_dataset(folder / end, &tokenizer(), options());
    EXPECT_EQ(data.rows().size(), 3) << end;
    EXPECT_EQ(data.rows().line(2), 3) << end;
  }
}

TEST(LoadRows, CsvAndJsonGiveTheSameRows) {
  const TempFolder folder;
  write_file(folder / "a.csv", "instruction,input,output\nsay it,now,\"yes, now\"\n");
  write_file(folder / "a.json", R"([{"instruction":"say it","input":"now","output":"yes, now"}])");
  DataReport csv, json;
  const auto a = load_rows(folder / "a.csv", &tokenizer(), options(), csv);
  const auto b = load_rows(folder / "a.json", &tokenizer(), options(), json);
  ASSERT_EQ(a->size(), 1);
  EXPECT_EQ(a->at(0).ids, b->at(0).ids);
  EXPECT_EQ(a->at(0).labels, b->at(0).labels);
}

TEST(LoadRows, BadRowsAreNamedOrCounted) {
  const TempFolder folder;
  const auto file = folder / "a.jsonl";
  write_file(file, R"({"instruction":"a","output":"b"})"
                   "\n{\"instruction\":\"a\"}\n{\"output\":3}\n");
  DataReport report;
  expect_mentions(message_of([&] { load_rows(file, &tokenizer(), options(), report); }),
                  {"a.jsonl", "line 2", "output", "--skip-bad"});
  report = {};
  EXPECT_EQ(load_rows(file, &tokenizer(), options(true), report)->size(), 1);
  EXPECT_EQ(report.bad, 2);
  expect_mentions(report_text(report, "a.jsonl"), {"2 bad rows", "line 2"});
}

TEST(LoadRows, TheReportCountsWhatIsOdd) {
  const TempFolder folder;
  const std::string row = R"({"instruction":"a","output":"b"})";
  write_file(folder / "a.jsonl", row + "\n" + row + "\n");
  LoadOptions cut = options();
  cut.encode.max_seq_length = 8;
  DataReport report;
  load_rows(folder / "a.jsonl", &tokenizer(), cut, report);
  EXPECT_EQ(report.rows, 2);
  EXPECT_EQ(report.duplicates, 1);
  EXPECT_EQ(report.truncated, 2);
  EXPECT_EQ(report.without_targets, 2) << "both were cut inside of their prompt";
  expect_mentions(report_text(report, "x"), {"repeat", "cut", "nothing to learn"});
  write_file(folder / "ids.jsonl", R"({"input_ids":[1,2,3],"labels":[-100,-100,-100]})");
  report = {};
  load_rows(folder / "ids.jsonl", &tokenizer(), cut, report);
  EXPECT_EQ(report.without_targets, 1);
}

TEST(LoadDataset, AFolderHasOneTestSplitAndATestSizeIsOfOneThatHasNone) {
  const TempFolder folder;
  std::string rows;
  for (int i = 0; i < 20; ++i) rows += fmt::format("{{\"text\":\"row {}\"}}\n", i);
  write_file(folder / "train.jsonl", rows);
  LoadOptions with = options();
  with.test_size = 5;
  const LoadedData apart = load_dataset(folder.path(), &tokenizer(), with);
  EXPECT_EQ(apart.rows().size(), 15);
  EXPECT_EQ(apart.held_out().size(), 5);
  const LoadedData file = load_dataset(folder / "train.jsonl", &tokenizer(), with);
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(apart.held_out()[i].ids, file.held_out()[i].ids);
  // What prepare writes where nothing is held out.
  write_file(folder / "test.jsonl", "");
  EXPECT_EQ(load_dataset(folder.path(), &tokenizer(), with).held_out().size(), 5);
  write_file(folder / "test.jsonl", "{\"text\":\"held out\"}\n");
  expect_mentions(message_of([&] { load_dataset(folder.path(), &tokenizer(), with); }),
                  {"--test-size is 5", "test.jsonl", "train.jsonl", "leave it out"});
  const auto said = [&] {
    return log_and_error(LogLevel::kWarning, [&] {
      EXPECT_EQ(load_dataset(folder.path(), &tokenizer(), with).held_out().size(), 1);
    });
  };
  with.test_size = 0;
  expect_mentions(said(), {"--test-size 0 does not count"});
  with.test_size.reset();
  EXPECT_EQ(said(), "");
  write_file(folder / "test.jsonl", "{\"text\":\"held out\",\"source\":\"a book\"}\n");
  EXPECT_EQ(load_dataset(folder.path(), &tokenizer(), with).report.unread,
            (std::map<std::string, int64_t>{{"source", 1}}));
  with.test_size = 30;
  std::filesystem::remove(folder / "test.jsonl");
  expect_mentions(message_of([&] { load_dataset(folder.path(), &tokenizer(), with); }),
                  {"test size of 30", "20 rows"});
  expect_mentions(message_of([&] { load_dataset("-", &tokenizer(), with); }), {"standard input"});
}

}  // namespace
}  // namespace falconer::test
