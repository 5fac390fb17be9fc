// Each unreadable file says why, where, and what to do.
#include "data/complaints.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "data/load.h"
#include "data/raw_rows.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

/// What is said of a file: of the first bad row, or of all of it.
std::string complaint_of(const std::string& content, const char* name = "rows.jsonl") {
  const TempFolder folder;
  write_file(folder / name, content);
  std::string said;
  const std::string thrown = message_of([&] {
    read_raw_rows(
        folder / name, [](const nlohmann::ordered_json&, int64_t) {},
        [&](int64_t line, const std::string& what) {
          if (said.empty()) said = std::to_string(line) + ": " + what;
        });
    if (!said.empty()) fail("{}", said);
  });
  return thrown;
}

std::string wide(const std::string& text, bool little) {
  std::string made = little ? "\xFF\xFE" : "\xFE\xFF";
  for (const char c : text) made += little ? std::string{c, '\0'} : std::string{'\0', c};
  return made;
}

TEST(Complaints, OfFiles) {
  const std::string row = R"({"text":"a"})";
  expect_mentions(complaint_of(wide(row, true)), {"UTF-16", "iconv"});
  expect_mentions(complaint_of(wide(row, false)), {"UTF-16", "iconv"});
  expect_mentions(complaint_of(wide(row, true).substr(2)), {"UTF-16"});
  expect_mentions(
      complaint_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
      {"Git LFS", "git lfs pull"});
  expect_mentions(complaint_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                               "rows.csv"),
                  {"Git LFS"});
  expect_mentions(complaint_of("\x1F\x8B\x08xyz"), {"gzip"});
  expect_mentions(complaint_of("\x28\xB5\x2F\xFDxyz"), {"zstd"});
  expect_mentions(complaint_of("PK\x03\x04xyz", "rows.csv"), {"zip", "CSV"});
  expect_mentions(complaint_of("PAR1xyz"), {"Parquet"});
  expect_mentions(complaint_of("<!DOCTYPE html><html>"), {"web page"});
  for (const char* name : {"rows.json", "rows.jsonl"})
    expect_mentions(complaint_of("{\n  \"data\": [\n    {\"text\": \"a\"}\n  ]\n}\n", name),
                    {"\"data\"", "array"});
}

TEST(Complaints, OfLinesThatEndWithCarriageReturnsAlone) {
  for (const auto& [name, content] :
       {std::pair("rows.jsonl", "{\"text\":\"a\"}\r{\"text\":\"b\"}\r"),
        {"rows.csv", "text\ra\rb\r"},
        {"rows.tsv", "text\tb\ra\tc"}})
    expect_mentions(complaint_of(content, name), {"carriage returns alone", "tr '\\r' '\\n'"});
  // White space, a line's usual end, and what lies within a row.
  for (const auto& [name, content] :
       {std::pair("rows.json", "[{\"text\":\"a\"},\r{\"text\":\"b\"}]\r"),
        {"rows.jsonl", "{\"text\":\r\"a\"}\r"},
        {"rows.csv", "text\r\na\r\n"},
        {"rows.csv", "text\n\"a\rb\"\n"}}) {
    const TempFolder folder;
    write_file(folder / name, content);
    int rows = 0;
    read_raw_rows(
        folder / name, [&](const nlohmann::ordered_json&, int64_t) { ++rows; },
        [](int64_t, const std::string& what) { ADD_FAILURE() << what; });
    EXPECT_GT(rows, 0) << content;
  }
}

TEST(Complaints, OfWhatIsNoFileOfRows) {
  expect_mentions(message_of([] {
                    read_raw_rows(
                        "-", [](const auto&, int64_t) {}, [](int64_t, const auto&) {});
                  }),
                  {"standard input", "write them to a file", ".jsonl"});
  const TempFolder folder;
  expect_mentions(message_of([&] {
                    read_raw_rows(
                        folder.path(), [](const auto&, int64_t) {}, [](int64_t, const auto&) {});
                  }),
                  {"is a folder", "test.jsonl"});
}

TEST(Complaints, OfRowsThatBreakOffWithinAnEscape) {
  const std::string row = R"({"text":"\ud83d\ude00"})";
  for (size_t size = 10; size < row.size(); ++size)
    expect_mentions(complaint_of(row.substr(0, size) + "\n{\"text\":\"a\"}\n"),
                    {"1: is not valid JSON"});
}

TEST(Complaints, OfRowsWithoutAFormat) {
  const auto said = [](const std::string& content, const char* name) {
    const TempFolder folder;
    write_file(folder / name, content);
    DataReport report;
    return message_of([&] { load_rows(folder / name, nullptr, {.vocab = 300}, report); });
  };
  expect_mentions(said(R"({"data": [{"text": "a"}]})", "a.json"),
                  {"\"data\" holds rows", "that list alone"});
  expect_mentions(said(R"({"instructoin": "a", "output": "b"})", "a.jsonl"),
                  {"it has \"instructoin\", \"output\"", "--columns"});
  expect_mentions(said("Frage;Antwort\na;b\n", "a.csv"), {"Frage;Antwort", "separated by ';'"});
  expect_mentions(said("instruction,output\na,Getr\xE4nk\n", "a.csv"),
                  {"line 2", "UTF-8", "iconv"});
}

TEST(Complaints, OfRows) {
  expect_mentions(complaint_of("{\"text\":\"Getr\xE4nk\"}\n"),
                  {"1: ", "UTF-8", "byte 14", "0xe4", "iconv"});
  for (const char* word : {"NaN", "Infinity", "-Infinity", "undefined", "None", "True", "False"})
    expect_mentions(complaint_of(std::string("{\"text\":\"NaN\",\"x\":") + word + "}\n"),
                    {"1: ", "column", word[0] == '-' ? "Infinity" : word});
  for (const char* half : {"\\ud83d", "\\uDE00", "\\uD83D\\ud83d", "\\ud83dx"})
    expect_mentions(complaint_of(std::string("{\"text\":\"Sure ") + half + "\"}\n"),
                    {"1: ", "surrogate", "column 15"});
  EXPECT_EQ(row_complaint("{\"text\":\"\\ud83d\\ude00 \\\\ud83d\"", "cut"),
            "is not valid JSON: cut")
      << "a whole pair, and an escaped backslash";
  for (const char* pretty : {"{\n  \"text\": \"a\"\n}\n", "{ \"text\": \"a\",\n \"b\": 1}\n"})
    expect_mentions(complaint_of(pretty), {"1: ", "several lines", "one line"});
  expect_mentions(complaint_of("{\"text\":\"a\"},\n{\"text\":\"b\"}\n"), {"1: ", "comma"});
  expect_mentions(complaint_of("{'text': 'a'}\n"), {"1: ", "single quotes"});
  expect_mentions(complaint_of("{\"text\" \"a\"}\n"), {"1: ", "is not valid JSON", "column"});
}

}  // namespace
}  // namespace falconer::test
