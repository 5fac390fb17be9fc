// Every defect that check looks for, in made-up files: each is found on its line, and nothing else
// is.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "data/doctor.h"
#include "falconer/falconer.h"
#include "support/chat_checkpoint.h"
#include "support/errors.h"
#include "support/goldens.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "support/tiny_model.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;
using Lines = std::vector<std::string>;

const std::string kDemo = std::string(source_dir()) + "/demo/checkpoint";

/// The lines of every kind of finding.
std::map<std::string, Lines> lines_by_kind(const CheckReport& report) {
  std::map<std::string, Lines> found;
  for (const CheckFinding& finding : report.findings) {
    found[finding.kind] = finding.lines;
    EXPECT_EQ(finding.rows, std::ssize(finding.lines));
  }
  return found;
}

std::string chat(const std::vector<std::pair<std::string, std::string>>& messages) {
  json list = json::array();
  for (const auto& [role, content] : messages)
    list.push_back({{"role", role}, {"content", content}});
  return json({{"messages", list}}).dump();
}
std::string asked(const std::string& question, const std::string& answer) {
  return chat({{"user", question}, {"assistant", answer}});
}

void write_lines(const std::filesystem::path& file, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  write_file(file, text);
}

std::string times(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

class CheckOfChats : public testing::Test {
 protected:
  CheckOfChats() {
    write_chat_checkpoint(folder_.path(), kChatMl);
    options_.checkpoint = folder_.path().string();
    options_.data = (folder_ / "rows.jsonl").string();
    options_.max_seq_length = 200;
  }
  CheckReport check_rows(const std::vector<std::string>& rows) {
    write_lines(folder_ / "rows.jsonl", rows);
    return check(options_);
  }
  /// Rows in which nothing is wrong.
  static std::vector<std::string> fine_rows(int count) {
    std::vector<std::string> rows;
    for (int i = 0; i < count; ++i)
      rows.push_back(asked("What is " + std::to_string(i) + " and one?",
                           "It is " + std::to_string(i + 1) + "."));
    return rows;
  }

  const TempFolder folder_;
  CheckOptions options_;
};

TEST_F(CheckOfChats, GoodRowsHaveNoFindings) {
  const CheckReport report = check_rows(fine_rows(30));
  EXPECT_TRUE(report.findings.empty()) << report.text;
  EXPECT_EQ(report.failure, "");
  expect_mentions(report.text, {"30 rows of messages", "prompt style chat", "no findings"});
}

TEST_F(CheckOfChats, EveryDefectIsFoundOnItsLine) {
  std::vector<std::string> rows = fine_rows(30);                       // 1 to 30
  rows.push_back("{\"messages\": [");                                  // 31
  rows.push_back(chat({{"parrot", "Hi."}, {"assistant", "Hello."}}));  // 32
  rows.push_back(asked(times("Count to ten. ", 60), "No."));           // 33: cut before the answer
  rows.push_back(asked("Sing the long one.", times("la ", 300)));      // 34
  rows.push_back(chat({{"user", "Say it once."},                       // 35: its second answer is
                       {"assistant", "Once, and not again."},          // cut
                       {"user", times("Again! ", 90)},
                       {"assistant", "Fine, again."}}));
  rows.push_back(asked("What is 3 and one?", "It is 4."));        // 36: as 4
  rows.push_back(asked("What is 3 and one?", "Four, I think."));  // 37
  rows.push_back(asked("Say nothing.", ""));                      // 38
  rows.push_back(asked("Say a letter.", "e"));                    // 39
  rows.push_back(chat({{"user", "Are you there?"},                // 40
                       {"user", "Hello?"},
                       {"assistant", "Yes, I am."}}));
  rows.push_back(asked("What is <|im_end|> for?", "It ends a turn."));  // 41
  rows.push_back(asked(std::string("Odd\0 bytes", 10), "Yes, odd."));   // 42
  rows.push_back(asked("Lost \xEF\xBF\xBD letters", "Yes, lost."));     // 43
  const CheckReport report = check_rows(rows);
  auto found = lines_by_kind(report);
  EXPECT_EQ(found["bad-row"], (Lines{"31", "32"}));
  EXPECT_EQ(found["no-targets"], Lines{"33"});
  EXPECT_EQ(found["truncated"], (Lines{"33", "34", "35"}));
  EXPECT_EQ(found["lost-answer"], Lines{"35"});
  EXPECT_EQ(found["duplicate"], Lines{"36"});
  EXPECT_EQ(found["other-answer"], Lines{"37"});
  EXPECT_EQ(found["empty-answer"], Lines{"38"});
  EXPECT_EQ(found["short-answer"], Lines{"39"});
  EXPECT_EQ(found["repeated-role"], Lines{"40"});
  EXPECT_EQ(found["special-text"], Lines{"41"});
  EXPECT_EQ(found["characters"], (Lines{"42", "43"}));
  EXPECT_EQ(found.size(), 11u) << report.text;
  expect_mentions(report.text,
                  {"line 31: is not valid JSON", "line 32: a message is from", "36 (as 4)",
                   "37 (as 4)", "cut before their answer: 1", "<|im_end|> in 1", "NUL in 1",
                   "--parse-special would make control tokens of them"});
  expect_mentions(report.failure, {"cannot be read (2)", "nothing to learn (1)", "--max-bad 0"});
}

TEST_F(CheckOfChats, OutliersAreFoundAmongManyRows) {
  std::vector<std::string> rows = fine_rows(30);
  rows[16] = asked("What is next?", times("and one more, ", 30));
  options_.max_seq_length = 2000;
  auto found = lines_by_kind(check_rows(rows));
  EXPECT_EQ(found["outlier"], Lines{"17"});
  EXPECT_EQ(found.size(), 1u);
}

TEST_F(CheckOfChats, SpecialTokensAreControlWithParseSpecial) {
  options_.parse_special = true;
  auto found = lines_by_kind(check_rows({asked("What is <|im_start|>?", "It begins a turn.")}));
  EXPECT_EQ(found["control-token"], Lines{"1"});
  EXPECT_FALSE(found.contains("special-text"));
}

TEST_F(CheckOfChats, AnswersWhoseEndTheTemplateLeavesOut) {
  write_chat_checkpoint(folder_.path(),
                        "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}"
                        "{% if add_generation_prompt %}assistant: {% endif %}");
  const CheckReport report = check_rows(
      {asked("Say it once.", "Once, and no more."), chat({{"user", "One more?"},
                                                          {"assistant", "One more, then."},
                                                          {"user", "And another?"},
                                                          {"assistant", "There is no other."}})});
  auto found = lines_by_kind(report);
  EXPECT_EQ(found["no-end"], Lines{"2"}) << "the last answer gets end-of-text, those before do not";
}

TEST_F(CheckOfChats, AnEmptyAnswerIsFoundWhateverIsWrittenAroundIt) {
  options_.prompt_style = "falcon";  // which writes a space before an answer
  auto found = lines_by_kind(check_rows(
      {asked("Say a word.", "Falcons."), asked("Say nothing.", ""), asked("Be still.", " \n")}));
  EXPECT_EQ(found["empty-answer"], (Lines{"2", "3"}));
  EXPECT_FALSE(found.contains("short-answer"));
}

TEST_F(CheckOfChats, AnswersThatATemplateHidesAreNamed) {
  write_chat_checkpoint(folder_.path(),
                        "{% for m in messages %}{{ m.role + ':' + (m.content if loop.last else "
                        "'...') + '<|im_end|>' }}{% endfor %}");
  const CheckReport report = check_rows({chat({{"user", "One more?"},
                                               {"assistant", "One more, then."},
                                               {"user", "And another?"},
                                               {"assistant", "There is no other."}})});
  expect_mentions(report.text, {"line 1: the place of message", "cannot be told"});
}

TEST_F(CheckOfChats, HeldOutRowsThatAreTrainedOn) {
  const std::vector<std::string> train = fine_rows(6);
  make_folder(folder_ / "data");
  write_lines(folder_ / "data" / "train.jsonl", train);
  write_lines(folder_ / "data" / "test.jsonl",
              {asked("What is new?", "This one is."), train[4],
               asked("What is 2 and one?", "Three, I would say.")});
  options_.data = (folder_ / "data").string();
  const CheckReport report = check(options_);
  auto found = lines_by_kind(report);
  EXPECT_EQ(found["held-out-row"], Lines{"test.jsonl:2"});
  EXPECT_EQ(found["held-out-prompt"], Lines{"test.jsonl:3"});
  EXPECT_EQ(found.size(), 2u) << report.text;
  expect_mentions(report.text, {"test.jsonl:2 (as train.jsonl:5)"});
}

TEST_F(CheckOfChats, TheSplitOfASingleFileIsThatOfTraining) {
  std::vector<std::string> rows = fine_rows(20);
  for (int i = 0; i < 20; ++i) rows.push_back(rows[static_cast<size_t>(i)]);
  options_.test_size = 10;
  const auto found = lines_by_kind(check_rows(rows));
  EXPECT_EQ(found.at("duplicate").size(), 20u);
  EXPECT_GE(found.at("held-out-row").size(), 1u);
}

TEST_F(CheckOfChats, MaxBadIsACountOrAShare) {
  std::vector<std::string> rows = fine_rows(19);
  rows.push_back("nonsense");
  const auto failure = [&](const std::string& max_bad) {
    options_.max_bad = max_bad;
    return check_rows(rows).failure;
  };
  for (const char* enough : {"1", "5%", "0.05", "100%"}) EXPECT_EQ(failure(enough), "") << enough;
  for (const char* little : {"0", "4.9%", "0.04"}) EXPECT_NE(failure(little), "") << little;
  for (const char* wrong : {"", "%", "x", "-1", "101%", "1.5", "1 %", "nan"})
    expect_mentions(message_of([&] { failure(wrong); }), {"--max-bad", "1%"});
}

TEST_F(CheckOfChats, WarningsFailWithStrictAlone) {
  std::vector<std::string> rows = fine_rows(5);
  rows.push_back(rows[0]);
  EXPECT_EQ(check_rows(rows).failure, "");
  options_.strict = true;
  expect_mentions(check_rows(rows).failure, {"repeats an earlier row (1)"});
  options_.skip_bad = true;
  rows.back() = "nonsense";
  expect_mentions(check_rows(rows).failure, {"left out (1)"});
}

TEST_F(CheckOfChats, DataThatTeachesNothingIsReportedAndFails) {
  expect_mentions(check_rows({"nonsense"}).failure, {"no row has a token to learn"});
  expect_mentions(check_rows({}).failure, {"holds no rows"});
  options_.max_bad = "100%";
  expect_mentions(check_rows({"nonsense"}).failure, {"no row has a token to learn"});
}

TEST_F(CheckOfChats, JsonHasEveryLine) {
  std::vector<std::string> rows(40, asked("What is it?", "It is this."));
  options_.json = true;
  const CheckReport report = check_rows(rows);
  expect_mentions(report.text, {"2 (as 1)", "and 34 more"});
  const json all = json::parse(report.json);
  EXPECT_EQ(all["rows"], 40);
  EXPECT_TRUE(all["passed"]);
  ASSERT_EQ(all["findings"].size(), 1u);
  EXPECT_EQ(all["findings"][0]["kind"], "duplicate");
  EXPECT_EQ(all["findings"][0]["places"].size(), 39u);
  EXPECT_EQ(all["findings"][0]["places"][38],
            json({{"file", 0}, {"line", 40}, {"like_file", 0}, {"like_line", 1}}));
}

TEST_F(CheckOfChats, RowsOfAnArrayInOneLineAreCounted) {
  const std::string fine = asked("What is it?", "It is this."), other = asked("And that?", "That.");
  write_file(folder_ / "train.json", "[" + fine + ", {\"no\": 1}, " + other + ", 7, " + fine + "]");
  options_.data = (folder_ / "train.json").string();
  options_.json = true;
  CheckReport report = check(options_);
  EXPECT_EQ(lines_by_kind(report)["bad-row"], (Lines{"row 2", "row 4"}));
  EXPECT_EQ(lines_by_kind(report)["duplicate"], Lines{"row 5"});
  expect_mentions(report.text,
                  {"  where", "row 5 (as row 1)", "  row 2: ", "row 4: is not a JSON object"});
  const json findings = json::parse(report.json)["findings"];
  EXPECT_EQ(findings[0]["places"][1]["row"], 4);
  EXPECT_EQ(findings[1]["places"][0],
            json({{"file", 0}, {"row", 5}, {"like_file", 0}, {"like_row", 1}}));
  write_lines(folder_ / "test.jsonl", {other});
  options_.data = folder_.path().string();
  report = check(options_);
  EXPECT_EQ(lines_by_kind(report)["held-out-row"], Lines{"test.jsonl:line 1"});
  expect_mentions(report.text, {"test.jsonl:line 1 (as train.json:row 3)"});
}

TEST_F(CheckOfChats, ACheckpointWithoutATokenizerIsNoFaultOfTheRows) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::remove(folder_ / name);
  write_file(folder_ / "config.json", tiny_config({.layers = 1}));
  for (const bool skip : {false, true}) {
    options_.skip_bad = skip;
    const std::string said = message_of([&] { check_rows(fine_rows(30)); });
    expect_mentions(said, {"rows.jsonl", "no tokenizer", "tokenizer.json"});
    EXPECT_EQ(said.find("line"), std::string::npos) << said;
    EXPECT_EQ(said.find("skip"), std::string::npos) << said;
  }
}

TEST(CheckOfIds, EveryDefectIsFoundOnItsLine) {
  const TempFolder folder;
  write_lines(
      folder / "rows.jsonl",
      {R"({"input_ids": [5, 6, 7, 8, 0], "labels": [-100, -100, 7, 8, 0]})",
       R"({"input_ids": [5, 6, 7, 9], "labels": [-100, -100, 7, 9]})",              // 2: no end
       R"({"input_ids": [5, 6, 7], "labels": [-100, -100, -100]})",                 // 3
       R"({"input_ids": [0, 0, 7, 8, 9, 0], "labels": [-100, -100, 7, 8, 9, 0]})",  // 4
       R"({"input_ids": [10, 11, 12, 13]})",                                        // 5: a text
       R"({"input_ids": [10, 640, 12, 13]})",                                       // 6
       R"({"input_ids": [5, 9, 0], "labels": [-100, -100, 0]})",                    // 7
       R"({"input_ids": [5, 8, 3, 0], "labels": [-100, -100, 3, 0]})",              // 8
       R"({"input_ids": [5, 6, 7, 8, 0], "labels": [-100, -100, 7, 8, 0]})",        // 9: as 1
       R"({"input_ids": [1, 2, 3, 4, 5, 6, 7, 0], "labels": [-100, 2, 3, 4, 5, 6, 7, 0]})"});
  CheckOptions options;
  options.checkpoint = kDemo;
  options.data = (folder / "rows.jsonl").string();
  options.max_seq_length = 7;
  const CheckReport report = check(options);
  auto found = lines_by_kind(report);
  EXPECT_EQ(found["bad-row"], Lines{"6"});
  EXPECT_EQ(found["no-end"], Lines{"2"});
  EXPECT_EQ(found["no-targets"], Lines{"3"});
  EXPECT_EQ(found["double-begin"], Lines{"4"});
  EXPECT_EQ(found["open-text"], Lines{"5"});
  EXPECT_EQ(found["empty-answer"], Lines{"7"});
  EXPECT_EQ(found["short-answer"], Lines{"8"});
  EXPECT_EQ(found["duplicate"], Lines{"9"});
  EXPECT_EQ(found["other-answer"], Lines{"2"});
  EXPECT_EQ(found["truncated"], Lines{"10"}) << "and it still ends";
  EXPECT_EQ(found.size(), 10u) << report.text;
  expect_mentions(report.text, {"640", "expected 0 to 639"});
}

TEST(CheckOfText, LinesOfAPlainTextAreNamed) {
  const TempFolder folder;
  write_file(folder / "a.txt", "One line.\nAnd <|endoftext|> here.\nBad \xFF byte.\nLast.\n");
  CheckOptions options;
  options.checkpoint = kDemo;
  options.data = (folder / "a.txt").string();
  auto found = lines_by_kind(check(options));
  EXPECT_EQ(found["special-text"], Lines{"2"});
  EXPECT_EQ(found["characters"], Lines{"3"});
  EXPECT_EQ(found.size(), 2u);
}

TEST(CheckOfCsv, BytesThatAreNoUtf8AreNamed) {
  const TempFolder folder;
  write_file(folder / "a.csv",
             "instruction,output\nSay hi,Hello there\nSay caf\xE9,Coffee house\n");
  CheckOptions options;
  options.checkpoint = kDemo;
  options.data = (folder / "a.csv").string();
  auto found = lines_by_kind(check(options));
  EXPECT_EQ(found["bad-row"], Lines{"3"}) << "and finetune stops there";
  EXPECT_EQ(found.size(), 1u);
}

TEST(CheckOfCsv, RowsInAFieldAreNamedAndAnswersOfSeveralLinesAreNot) {
  const TempFolder folder;
  write_file(folder / "a.csv",
             "instruction,output\n"
             "Say hi,\"Hello there\nSay no,No way\nSay yes,Yes indeed\nSay so,\"\n"      // 2
             "A poem,\"Roses are red, I think\nViolets are blue, I know\nAnd so on\"\n"  // 6
             "A call,\"First this:\nf(a,b)\ng(a,b)\nand then that.\nh(a,b)\"\n");
  CheckOptions options;
  options.checkpoint = kDemo;
  options.data = (folder / "a.csv").string();
  const CheckReport report = check(options);
  auto found = lines_by_kind(report);
  EXPECT_EQ(found["rows-in-field"], Lines{"2"});
  EXPECT_EQ(found.size(), 1u) << report.text;
}

// What the loader's report counts and what is named are the same rows.
void expect_same_counts(const std::filesystem::path& data, const Tokenizer& tokenizer,
                        int64_t rows) {
  for (const int64_t most : {64, 256}) {
    DoctorOptions options;
    options.load.vocab = tokenizer.vocab_size();
    options.load.test_size = 200;
    options.load.encode.max_seq_length = most;
    const Diagnosis diagnosis = diagnose(data, &tokenizer, options);
    std::map<std::string, int64_t> counts;
    for (const Finding& finding : diagnosis.findings)
      counts[finding.kind] = std::ssize(finding.places);
    const DataReport& report = diagnosis.data.report;
    EXPECT_EQ(report.rows, rows);
    EXPECT_EQ(counts["truncated"], report.truncated);
    EXPECT_EQ(counts["no-targets"], report.without_targets);
    EXPECT_EQ(counts["duplicate"], report.duplicates);
    EXPECT_EQ(counts["no-end"] + counts["bad-row"] + counts["double-begin"], 0);
    EXPECT_GT(report.truncated, 0);
  }
}

TEST(Diagnosis, CountsAreThoseOfTheReport) {
  const TempFolder folder;
  json rows = json::parse(read_text_file(std::string(source_dir()) + "/demo/data/train.json"));
  rows.erase(rows.begin() + 1000, rows.end());
  for (size_t i = 0; i < 40; ++i) {
    rows.push_back(rows[3 * i]);  // once more
    rows.push_back({{"instruction", fmt::format("Count to {}.", i)},
                    {"output", times("One more. ", static_cast<int>(20 + i))}});
  }
  write_file(folder / "rows.json", rows.dump());
  expect_same_counts(folder / "rows.json", Tokenizer::load(kDemo), 1080);
  const std::filesystem::path alpaca = golden("../data/alpaca_2000.json");
  if (std::filesystem::exists(alpaca) && std::filesystem::exists(golden("tokenizer")))
    expect_same_counts(alpaca, Tokenizer::load(golden("tokenizer")), 2000);
}

}  // namespace
}  // namespace falconer::test
