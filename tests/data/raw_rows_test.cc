#include "data/raw_rows.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

/// What reading says: "line: row" or "line! what is wrong", in the order of the calls.
std::vector<std::string> read(const std::filesystem::path& file, const ReadAs& as = {}) {
  std::vector<std::string> said;
  read_raw_rows(
      file,
      [&](const nlohmann::ordered_json& row, int64_t line) {
        if (row.contains("wrong")) fail("wrong");
        said.push_back(fmt::format("{}: {}", line, row.dump()));
      },
      [&](int64_t line, const std::string& what) {
        said.push_back(fmt::format("{}! {}", line, what));
      },
      as);
  return said;
}

TEST(RawRows, RowsAndBadRowsComeInOrderFromEveryKindOfFile) {
  const TempFolder folder;
  write_file(folder / "a.jsonl", "{\"a\":1}\n\n[2]\n{\"wrong\":3}\n{oops\n \r\n{\"a\":4}");
  const std::vector<std::string> lines = {
      "1: {\"a\":1}", "3! is not a JSON object", "4! wrong",
      "5! is not valid JSON: column 2: syntax error while parsing "
      "object key - invalid literal; last read: '{o'; expected "
      "string literal",
      "7: {\"a\":4}"};
  EXPECT_EQ(read(folder / "a.jsonl"), lines);
  write_file(folder / "a.json", "[{\"a\":1}, [2],\n{\"wrong\":3}, {\"a\":4}]\n");
  const std::vector<std::string> elements = {"1: {\"a\":1}", "1! is not a JSON object", "2! wrong",
                                             "2: {\"a\":4}"};
  EXPECT_EQ(read(folder / "a.json"), elements);
  write_file(folder / "b.json", "{\"a\":1}\n{\"a\":2}\n");
  EXPECT_EQ(read(folder / "b.json"), (std::vector<std::string>{"1: {\"a\":1}", "2: {\"a\":2}"}));
  write_file(folder / "c.json", " [{\"a\":1}, [2], {\"wrong\":3}] \n");
  EXPECT_EQ(read(folder / "c.json"),
            (std::vector<std::string>{"1: {\"a\":1}", "2! is not a JSON object", "3! wrong"}));
  EXPECT_EQ(counted_by(folder / "a.json"), "line");
  EXPECT_EQ(counted_by(folder / "b.json"), "line");
  EXPECT_EQ(counted_by(folder / "c.json"), "row");
  write_file(folder / "none.json", "[ ]");
  EXPECT_TRUE(read(folder / "none.json").empty());
}

// What is handed over in memory is read as a file would be, and counted as one.
TEST(RawRows, RowsInMemoryAreThoseOfAFile) {
  const TempFolder folder;
  for (const std::string text :
       {"{\"a\":1}\n\n[2]\n{\"wrong\":3}\n{oops\n{\"a\":4}", " [{\"a\":1}, [2], {\"wrong\":3}] \n",
        "[{\"a\":1}, [2],\n{\"wrong\":3}]", "\xEF\xBB\xBF[{\"a\":1}]", "[ ]", "", "\n"}) {
    const auto file = folder / "rows.jsonl";
    write_file(file, text);
    std::vector<std::string> said;
    read_raw_rows(
        "rows", text,
        [&](const nlohmann::ordered_json& row, int64_t line) {
          if (row.contains("wrong")) fail("wrong");
          said.push_back(fmt::format("{}: {}", line, row.dump()));
        },
        [&](int64_t line, const std::string& what) {
          said.push_back(fmt::format("{}! {}", line, what));
        });
    EXPECT_EQ(said, read(file)) << text;
    EXPECT_EQ(text_counted_by(text), counted_by(file)) << text;
  }
}

TEST(RawRows, ManyRowsAreTheSameAtAnyThreadCount) {
  const TempFolder folder;
  std::string lines, array = "[";
  constexpr int kRows = 20000;  // more than are parsed at a time
  for (int i = 0; i < kRows; ++i) {
    const std::string row = fmt::format("{{\"n\":{},\"t\":\"a,]}}\\\"\"}}", i);
    lines += row + "\n";
    array += (i > 0 ? ",\n" : "") + row;
  }
  write_file(folder / "a.jsonl", lines);
  write_file(folder / "a.json", array + "]");
  const int threads = thread_count();
  set_thread_count(1);
  const std::vector<std::string> one = read(folder / "a.jsonl");
  set_thread_count(3);
  EXPECT_EQ(read(folder / "a.jsonl"), one);
  EXPECT_EQ(read(folder / "a.json"), one);
  set_thread_count(threads);
  ASSERT_EQ(one.size(), size_t{kRows});
  EXPECT_EQ(one.back(), "20000: {\"n\":19999,\"t\":\"a,]}\\\"\"}");
}

TEST(RawRows, AQuoteInCsvThatIsClosedTooLateSaysWhichLinesBecameOneRow) {
  const TempFolder folder;
  const auto said_of = [&](const std::string& text) {
    write_file(folder / "a.csv", text);
    return read(folder / "a.csv");
  };
  auto said = said_of("a,b\n1,2\n\n3,\"4\n5,6\n7,\"8, 9\"\n1,2\n");  // closed by another's quote
  ASSERT_EQ(said.size(), 3u);
  expect_mentions(said[1], {"4! has 3 fields", "header has 2", "lines 4 to 6", "opens in line 4"});
  said = said_of("a,b\n3,\"4\n5,6\n7,\"8\"\n1,2");  // as many fields as should be
  ASSERT_EQ(said.size(), 2u);
  expect_mentions(said[0], {"2! has text behind the quote", "lines 2 to 4", "opens in line 2"});
  said = said_of("a,b\n1,2,3\n\"x\" y,2\n");
  EXPECT_EQ(said, (std::vector<std::string>{"2! has 3 fields, and the header has 2",
                                            "3: {\"a\":\"x y\",\"b\":\"2\"}"}));
}

TEST(RawRows, ManyRowsInAFieldOfCsvAreABadOneAndLongAnswersAreNot) {
  const TempFolder folder;
  std::string rows, answer, poem;
  for (int i = 0; i < 25; ++i) {
    rows += fmt::format("{},b\r\n", i);
    answer += fmt::format("call({}, y);\n\n", i);
    poem += fmt::format("line {}\n", i);
  }
  write_file(folder / "a.csv", "a,b\n1,\"2\n" + rows + "\"\n1,\"" + answer + "\" \n");
  const auto said = read(folder / "a.csv");
  ASSERT_EQ(said.size(), 2u);
  expect_mentions(said[0], {"2! ", "25 rows", "lines 2 to 28", "opens in line 2"});
  EXPECT_TRUE(said[1].starts_with("29: "));
  write_file(folder / "a.csv", "text\n\"" + poem + "\"\n");
  EXPECT_EQ(read(folder / "a.csv").size(), 1u);
}

TEST(RawRows, AQuoteInCsvThatIsNeverClosedIsAnErrorWhereItOpens) {
  const TempFolder folder;
  for (const char* text : {"a,b\n1,2\n\"x\ny\",\"3\n4,5\n", "a,\"b\n1,2\n"}) {
    write_file(folder / "a.csv", text);
    expect_mentions(message_of([&] { read(folder / "a.csv"); }),
                    {"a.csv", text[2] == 'b' ? "line 4: a quote opens" : "line 1: a quote opens",
                     "not closed", "end of the file"});
  }
}

TEST(RawRows, AnArrayThatIsNotValidSaysWhereAndWhat) {
  const TempFolder folder;
  const auto refused = [&](const std::string& text, std::initializer_list<const char*> parts) {
    write_file(folder / "a.json", text);
    expect_mentions(message_of([&] { read(folder / "a.json"); }), parts);
  };
  refused("[{\"a\":1}, {\"a\":2}", {"a.json", "not valid JSON", "line 1, column 18"});
  refused("[{\"a\":1},\n{\"a\" 2}]", {"a.json", "not valid JSON", "line 2"});
  refused("[{\"a\":1},]", {"a.json", "not valid JSON"});
  refused("7", {"a.json", "JSON array"});
}

TEST(RawRows, AnArrayInAFileOfLinesIsReadAsOne) {
  const TempFolder folder;
  const std::string rows = "{\"a\":1},\n {\"a\":2}";
  write_file(folder / "a.jsonl", "[" + rows + "]\n");
  EXPECT_EQ(read(folder / "a.jsonl"), (std::vector<std::string>{"1: {\"a\":1}", "2: {\"a\":2}"}));
  write_file(folder / "b.jsonl", "[\n" + rows + "\n]");
  EXPECT_EQ(read(folder / "b.jsonl"), (std::vector<std::string>{"2: {\"a\":1}", "3: {\"a\":2}"}));
  write_file(folder / "c.jsonl", "[{\"a\":1}, {\"a\":2}]");
  EXPECT_EQ(read(folder / "c.jsonl"), (std::vector<std::string>{"1: {\"a\":1}", "2: {\"a\":2}"}));
  EXPECT_EQ(counted_by(folder / "c.jsonl"), "row");
  write_file(folder / "cut.jsonl", "[\n" + rows + ",\n");
  expect_mentions(message_of([&] { read(folder / "cut.jsonl"); }), {"cut.jsonl", "not valid JSON"});
  // A row that is wrong is no array of rows.
  write_file(folder / "d.jsonl", "[1]\n{\"a\":2}\n");
  EXPECT_EQ(read(folder / "d.jsonl"),
            (std::vector<std::string>{"1! is not a JSON object", "2: {\"a\":2}"}));
  EXPECT_EQ(counted_by(folder / "d.jsonl"), "line");
}

TEST(RawRows, AKeyThatStandsTwiceIsABadRow) {
  const TempFolder folder;
  const std::string bad = "! has the key \"a\" twice, and only one of its values can count";
  write_file(folder / "a.jsonl", "{\"a\":1}\n{\"a\":1,\"a\":2}\n");
  EXPECT_EQ(read(folder / "a.jsonl"), (std::vector<std::string>{"1: {\"a\":1}", "2" + bad}));
  write_file(folder / "a.json", "[{\"a\":1},\n{\"b\":[{\"a\":1,\"a\":2}]}]");
  EXPECT_EQ(read(folder / "a.json"), (std::vector<std::string>{"1: {\"a\":1}", "2" + bad}));
}

TEST(RawRows, TablesMayHaveAnotherDelimiter) {
  const TempFolder folder;
  const std::vector<std::string> rows = {"2: {\"a\":\"1,5\",\"b\":\"x\"}",
                                         "3: {\"a\":\"2\",\"b\":\"y z\"}"};
  for (const std::string between : {";", "|", "\t", "~", ":"}) {
    write_file(folder / "a.csv",
               "a" + between + "b\n1,5" + between + "x\n2" + between + "\"y z\"\n");
    EXPECT_EQ(read(folder / "a.csv", read_as(between, "")), rows) << between;
  }
  write_file(folder / "a.tsv", "a;b\n1,5;x\n2;\"y z\"\n");
  EXPECT_EQ(read(folder / "a.tsv", read_as(";", "")), rows);
  write_file(folder / "a.csv", "a\tb\n1,5\tx\n2\t\"y z\"\n");
  for (const char* tab : {"tab", "\\t", "\t"})
    EXPECT_EQ(read(folder / "a.csv", read_as(tab, "")), rows);
  for (const char* wrong : {";;", "\"", "\n", "\r", "semicolon", "§"})
    expect_mentions(message_of([&] { read_as(wrong, ""); }), {"--delimiter", "one character"});
}

TEST(RawRows, FilesMayHaveAnotherEncoding) {
  const TempFolder folder;
  const std::vector<std::string> row = {"1: {\"a\":\"Grüße\"}"};
  write_file(folder / "a.jsonl",
             "{\"a\":\"Gr\xfc\xdf"
             "e\"}\n");
  EXPECT_EQ(read(folder / "a.jsonl", read_as("", "latin-1")), row);
  EXPECT_EQ(read(folder / "a.jsonl", read_as("", "cp1252")), row);
  write_file(folder / "a.json",
             "[{\"a\":\"Gr\xfc\xdf"
             "e\"}]");
  EXPECT_EQ(read(folder / "a.json", read_as("", "latin1")), row);
  write_file(folder / "a.csv", "a;b\n\xfc;\xdf\n");
  EXPECT_EQ(read(folder / "a.csv", read_as(";", "latin1")),
            std::vector<std::string>{"2: {\"a\":\"ü\",\"b\":\"ß\"}"});
  std::string wide = "\xFF\xFE";
  for (const char c : std::string("{\"a\":1}\n{\"a\":2}\n")) wide += std::string{c, '\0'};
  write_file(folder / "w.jsonl", wide);
  EXPECT_EQ(read(folder / "w.jsonl", read_as("", "utf-16")),
            (std::vector<std::string>{"1: {\"a\":1}", "2: {\"a\":2}"}));
  expect_mentions(message_of([&] { read(folder / "a.jsonl", read_as("", "utf-16")); }),
                  {"a.jsonl", "byte", "utf-16"});
}

TEST(RawRows, OfAnotherEncodingManyRowsAreReadInParts) {
  const TempFolder folder;
  std::string latin, utf8;
  for (int i = 0; i < 40'000; ++i) {
    const std::string number = std::to_string(i), long_text(300 + i % 100, 'x');
    latin += "{\"a\":\"\xe4" + number + long_text + "\"}\n";
    utf8 += "{\"a\":\"ä" + number + long_text + "\"}\n";
  }
  write_file(folder / "latin.jsonl", latin);
  write_file(folder / "utf8.jsonl", utf8);
  EXPECT_EQ(read(folder / "latin.jsonl", read_as("", "latin1")), read(folder / "utf8.jsonl"));
}

TEST(RawRows, AListOfMessagesIsAConversation) {
  const TempFolder folder;
  const std::string openai =
                        R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])",
                    sharegpt = R"([{"from":"human","value":"a"},{"from":"gpt","value":"b"}])";
  const std::vector<std::string> rows = {"1: {\"messages\":" + openai + "}",
                                         "2: {\"conversations\":" + sharegpt + "}"};
  write_file(folder / "a.jsonl", openai + "\n" + sharegpt + "\n");
  EXPECT_EQ(read(folder / "a.jsonl"), rows);
  write_file(folder / "one.jsonl", openai);
  EXPECT_EQ(read(folder / "one.jsonl"), std::vector<std::string>{rows[0]});
  write_file(folder / "one.json", openai);
  EXPECT_EQ(read(folder / "one.json"), std::vector<std::string>{rows[0]});
  write_file(folder / "all.json", "[\n" + openai + ",\n" + sharegpt + "]");
  EXPECT_EQ(read(folder / "all.json"),
            (std::vector<std::string>{"2: {\"messages\":" + openai + "}",
                                      "3: {\"conversations\":" + sharegpt + "}"}));
  // Rows that are no messages are what they were.
  write_file(folder / "rows.json", R"([{"a":1},{"a":2}])");
  EXPECT_EQ(read(folder / "rows.json"), (std::vector<std::string>{"1: {\"a\":1}", "2: {\"a\":2}"}));
  write_file(folder / "bad.jsonl", "[1,2]\n[]\n[\"role\"]\n[{\"role\":1}]\n");
  for (const std::string& said : read(folder / "bad.jsonl"))
    EXPECT_NE(said.find("! is not a JSON object"), std::string::npos) << said;
}

}  // namespace
}  // namespace falconer::test
