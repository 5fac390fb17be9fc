// Rows are read with the same settings as finetune reads them with, and what of them is not read is named.
#include <gtest/gtest.h>

#include "base/file.h"
#include "falconer/settings.h"
#include "falconer/use.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/said.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

class Evaluate : public testing::Test {
 protected:
  /// What is asked and expected of the first row; `said_` is what the log says.
  EvaluatedRow first(const std::string& name, const std::string& content) {
    write_file(folder_ / name, content);
    options_.data = (folder_ / name).string();
    EvaluateReport report;
    said_ = log_and_error(LogLevel::kInfo, [&] { report = evaluate(options_); });
    return report.rows.empty() ? EvaluatedRow() : report.rows.front();
  }

  TempFolder folder_;
  EvaluateOptions options_{.model = {.checkpoint = std::string(source_dir()) + "/demo/checkpoint",
                                     .prompt_style = "falcon"},
                           .data = {},
                           .data_format = {},
                           .columns = {},
                           .delimiter = {},
                           .encoding = {},
                           .output = {},
                           .sampling = {.max_new_tokens = 1, .temperature = 0}};
  std::string said_;
};

TEST_F(Evaluate, ColumnsDelimiterAndEncodingAreThoseOfFinetune) {
  std::vector<std::string> names;
  for (const Setting& setting : settings_of(options_)) names.push_back(setting.name);
  for (const char* name : {"data-format", "columns", "strict-columns", "delimiter", "encoding"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  set(options_, "columns", "instruction=Frage,output=Antwort");
  set(options_, "delimiter", ";");
  set(options_, "encoding", "latin1");
  const EvaluatedRow row =
      first("rows.csv", "Frage;Antwort;Quelle\nWas ist \xFC?;Ein Laut.;Heft 3\n");
  EXPECT_EQ(row.instruction, "Was ist \u00FC?");
  EXPECT_EQ(row.expected, "Ein Laut.");
  expect_mentions(said_,
                  {"columns: instruction=Frage, output=Antwort", "not read: \"Quelle\" (1 row)"});
  set(options_, "strict-columns", "true");
  first("rows.csv", "Frage;Antwort;Quelle\na;b;c\n");
  expect_mentions(said_, {"rows.csv: nothing reads \"Quelle\" (1 row)"});
  set(options_, "columns", "instruction=Gone");
  first("rows.csv", "Frage;Antwort\na;b\n");
  expect_mentions(said_, {"\"Gone\"", "the first row does not have"});
  for (const auto& [name, value] :
       {std::pair("encoding", "klingon"), {"delimiter", ";;"}, {"data-format", "alpacca"}}) {
    EvaluateOptions wrong = options_;
    const auto ask = [&, n = name, v = value] {
      set(wrong, n, v);
      evaluate(wrong);
    };
    EXPECT_NE(message_of(ask), "") << name;
  }
}

TEST_F(Evaluate, KeysOfMessagesThatAreNotAskedAreNamed) {
  const EvaluatedRow row = first(
      "rows.jsonl",
      R"({"chat":[{"role":"user","content":"a","name":"Ann"},{"role":"assistant","content":"So."}]})");
  EXPECT_EQ(row.expected, "So.");
  expect_mentions(said_, {"columns: messages=chat", "not read: \"messages.name\" (1 row)"});
  first("rows.jsonl", R"({"instruction":"a","output":"b"})");
  EXPECT_EQ(said_, "");
  options_.data = "-";
  expect_mentions(message_of([&] { evaluate(options_); }), {"standard input"});
  options_.data = folder_.path().string();
  expect_mentions(message_of([&] { evaluate(options_); }), {"is a folder"});
}

}  // namespace
}  // namespace falconer::test
