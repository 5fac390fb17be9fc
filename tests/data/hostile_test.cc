// Data that nobody has vouched for: shapes that would cost stack or time without bound.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "data/load.h"
#include "data/raw_rows.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

std::vector<std::string> read_hostile(const std::filesystem::path& file) {
  std::vector<std::string> said;
  read_raw_rows(
      file, [&](const nlohmann::ordered_json& row, int64_t) { said.push_back(row.dump()); },
      [&](int64_t line, const std::string& what) {
        said.push_back(std::to_string(line) + "! " + what);
      });
  return said;
}

TEST(HostileRows, DeepAndWideRowsAreBadOnes) {
  const TempFolder folder;
  const std::string deep =
      R"({"text":)" + std::string(300'000, '[') + std::string(300'000, ']') + "}";
  std::string wide = "{";
  for (int i = 0; i < 200'000; ++i) wide += "\"" + std::to_string(i) + "\":0,";
  wide += "\"text\":0}";
  for (const char* name : {"rows.jsonl", "rows.json"}) {
    const bool array = std::string(name) == "rows.json";
    const std::string between = array ? ",\n" : "\n";
    write_file(folder / name, (array ? "[" : "") + deep + between + wide + between +
                                  R"({"text":"x"})" + (array ? "]" : ""));
    const auto said = read_hostile(folder / name);
    ASSERT_EQ(said.size(), 3u);
    expect_mentions(said[0], {"1! ", "more than 100 deep"});
    expect_mentions(said[1], {"2! ", "more than 4096 members"});
    EXPECT_EQ(said[2], R"({"text":"x"})");
  }
}

TEST(HostileRows, TablesOfManyColumnsTakeNoLonger) {
  const TempFolder folder;
  std::string header, row;
  for (int i = 0; i < 100'000; ++i) {
    header += "c" + std::to_string(i) + ",";
    row += ",";
  }
  write_file(folder / "rows.csv", header + "text\n" + row + "a\n" + row + "b\n");
  EXPECT_EQ(read_hostile(folder / "rows.csv").size(), 2u);
}

TEST(HostileRows, TwoColumnsOfOneNameAreAnErrorAndWithoutANameAreNone) {
  const TempFolder folder;
  write_file(folder / "rows.csv", "text,n,text\na,1,b\n");
  expect_mentions(message_of([&] { read_hostile(folder / "rows.csv"); }),
                  {"rows.csv", "line 1", "\"text\" twice", "rename"});
  write_file(folder / "rows.csv", "text,,\na,1,b\n");
  EXPECT_EQ(read_hostile(folder / "rows.csv"), std::vector<std::string>{R"({"text":"a","":"b"})"});
}

TEST(HostileRows, ConversationsAreNotWithoutEnd) {
  const TempFolder folder;
  std::string row = R"({"messages":[)";
  for (int i = 0; i < 2000; ++i) row += R"({"role":"user","content":"a"},)";
  write_file(folder / "rows.jsonl", row + R"({"role":"assistant","content":"b"}]})");
  DataReport report;
  expect_mentions(
      message_of([&] { load_rows(folder / "rows.jsonl", nullptr, {.vocab = 9}, report); }),
      {"line 1", "2001 messages", "1024"});
}

TEST(HostileRows, PreparedFoldersSayWhatIsWrong) {
  const TempFolder folder;
  write_file(folder / "train.jsonl", "{\"input_ids\": [1, 2]}\n");
  write_file(folder / "prepare.json", R"({"prompt_style": 3})");
  LoadOptions options{.vocab = 9};
  expect_mentions(message_of([&] { load_dataset(folder.path(), nullptr, options); }),
                  {"prepare.json", "run prepare again"});
}

}  // namespace
}  // namespace falconer::test
