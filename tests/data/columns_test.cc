// What a row says is read, or named: columns of other names, guesses, what nothing reads, messages that are
// not to be learned, splits by all of their names.
#include "data/columns.h"

#include <gtest/gtest.h>

#include "data/load.h"
#include "data/report.h"
#include "data/splits.h"
#include "support/chat_checkpoint.h"
#include "support/errors.h"
#include "support/said.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

class ColumnNames : public testing::Test {
 protected:
  ColumnNames() {
    write_chat_checkpoint(folder_.path(), kChatMl);
    tokenizer_.emplace(Tokenizer::load(folder_.path()));
    options_.vocab = tokenizer_->vocab_size();
    options_.checkpoint = folder_.path();
  }

  /// All that is learned of the first row.
  std::string learned(const std::string& content, const char* name = "rows.jsonl") {
    write_file(folder_ / name, content);
    report_ = {};
    const auto store = load_rows(folder_ / name, &*tokenizer_, options_, report_);
    text_.clear();
    std::string answers;
    const Row row = (*store)[0];
    for (size_t i = 0; i < row.ids.size(); ++i) {
      text_ += tokenizer_->token_bytes(row.ids[i]);
      if (row.labels[i] != kIgnoredLabel) answers += tokenizer_->token_bytes(row.ids[i]);
    }
    return answers;
  }

  TempFolder folder_;
  std::optional<Tokenizer> tokenizer_;
  LoadOptions options_;
  DataReport report_;
  std::string text_;
};

struct Usual {
  const char* row;
  const char* columns;  // that are said
  std::vector<const char*> shown;
};

TEST_F(ColumnNames, UsualDataSetsAreRead) {
  const Usual kRows[] = {
      {R"({"question":"Why?","answer":"So."})", "instruction=question, output=answer", {"Why?"}},
      {R"({"prompt":"Why?","response":"So."})", "instruction=prompt, output=response", {"Why?"}},
      {R"({"instruction":"Why?","context":"Rain","response":"So.","category":"open_qa"})",
       "output=response, input=context",
       {"Why?", "Rain"}},
      {R"({"instruction":"Why?","context":"Rain","output":"So."})", "input=context", {"Rain"}},
      {R"({"id":"niv.1","system_prompt":"Be brief","question":"Why?","response":"So."})",
       "instruction=question, output=response, system=system_prompt",
       {"Be brief", "Why?"}},
      {R"({"Instruction":"Why?","Input":"Rain","Output":"So."})",
       "instruction=Instruction, output=Output, input=Input",
       {"Why?", "Rain"}},
      {R"({"query":"Why?","response":"So."})", "instruction=query, output=response", {"Why?"}},
      {R"({"instruction":"Why?","completion":"So."})", "output=completion", {"Why?"}},
      {R"({"instruction":"Why?","target":"So."})", "output=target", {"Why?"}},
      {R"({"conversation":[{"role":"user","content":"Why?"},{"role":"assistant","content":"So."}]})",
       "messages=conversation",
       {"Why?"}},
  };
  for (const Usual& usual : kRows) {
    EXPECT_TRUE(learned(usual.row).starts_with("So.")) << usual.row << "\n" << text_;
    for (const char* part : usual.shown)
      EXPECT_NE(text_.find(part), std::string::npos) << part << " of " << usual.row << "\n"
                                                     << text_;
    expect_mentions(report_text(report_, "x"), {usual.columns, "guessed"});
  }
}

TEST_F(ColumnNames, WhatStandsUnderItsOwnNameIsNotGuessed) {
  for (const char* row :
       {R"({"instruction":"Why?","input":"","output":"So.","context":"Rain"})",
        R"({"text":"So.","question":"Why?","answer":"No."})",
        R"({"prompt":"Why?","completion":"So.","answer":"No."})",
        R"({"messages":[{"role":"user","content":"Why?"},{"role":"assistant","content":"So."}],
            "question":"?","answer":"No."})"}) {
    std::string line = row;
    std::erase(line, '\n');
    EXPECT_NE(learned(line).find("So."), std::string::npos) << row;
    EXPECT_EQ(report_.columns, "") << row;
    EXPECT_FALSE(report_.unread.empty()) << row;
  }
}

TEST_F(ColumnNames, NamedByTheUser) {
  options_.columns = "instruction=Frage,output=Antwort";
  EXPECT_TRUE(learned(R"({"Frage":"Warum?","Antwort":"So.","output":"old"})").starts_with("So."));
  EXPECT_EQ(report_.columns, "instruction=Frage, output=Antwort");
  const std::string whole = R"({"Frage":"Warum?","Antwort":"So."})";
  expect_mentions(message_of([&] { learned(R"({"Frage":"Warum?","Antwrt":"So."})"); }),
                  {"--columns", "\"Antwort\"", "it has \"Frage\", \"Antwrt\""});
  expect_mentions(message_of([&] { learned(whole + "\n" + R"({"Frage":"Warum?"})"); }),
                  {"line 2", "Antwort", "--columns"});
  options_.columns = "text=body";
  EXPECT_EQ(learned(R"({"body":"So."})").substr(0, 3), "So.");
  for (const auto& [columns, part] : {std::pair("instruction", "expected pairs"),
                                      {"instruction=", "expected pairs"},
                                      {"=x", "expected pairs"},
                                      {"instruktion=x", "a format's name stands"},
                                      {"input=a,input=b", "twice"}})
    expect_mentions(message_of([&, c = columns] { Columns::parse(c); }), {"--columns", part});
}

TEST_F(ColumnNames, WhatNothingReadsIsNamedOnceAndCanBeAnError) {
  const std::string rows =
      R"({"instruction":"a","output":"So.","id":7,"note":"x","empty":"","none":null,"list":[]})"
      "\n"
      R"({"instruction":"b","output":"So.","id":8})"
      "\n";
  learned(rows);
  EXPECT_EQ(report_.unread, (std::map<std::string, int64_t>{{"id", 2}, {"note", 1}}));
  expect_mentions(report_text(report_, "x"), {"not read: \"id\" (2 rows), \"note\" (1 row)"});
  learned(R"({"conversations":[{"from":"human","value":"?","markdown":true},)"
          R"({"from":"gpt","value":"So.","markdown":true}],"id":"x"})");
  EXPECT_EQ(report_.unread,
            (std::map<std::string, int64_t>{{"conversations.markdown", 1}, {"id", 1}}));
  options_.strict_columns = true;
  expect_mentions(message_of([&] { learned(rows); }), {"\"id\" (2 rows)", "--strict-columns"});
  EXPECT_TRUE(learned(R"({"instruction":"a","output":"So."})").starts_with("So."));
}

TEST_F(ColumnNames, NamesInAFileCannotWriteToTheTerminal) {
  learned("{\"instruction\":\"a\",\"output\":\"So.\",\"\\u001b[2J" + std::string(500, 'x') +
          "\":1}");
  const std::string said = report_text(report_, "x");
  EXPECT_EQ(said.find('\x1b'), std::string::npos);
  EXPECT_LT(said.size(), 600u);
  std::string many = "{\"instruction\":\"a\",\"output\":\"So.\"";
  for (int i = 0; i < 4000; ++i) many += ",\"k" + std::to_string(i) + "\":1";
  learned(many + "}");
  EXPECT_LE(report_.unread.size(), 1000u);
  EXPECT_LT(report_text(report_, "x").size(), 2000u);
}

TEST_F(ColumnNames, AnswersThatAreNoTextAreJson) {
  for (const auto& [value, text] : {std::pair("7", "7"),
                                    {"2.5", "2.5"},
                                    {"true", "true"},
                                    {R"({"a": [1, "x"]})", R"({"a":[1,"x"]})"},
                                    {"[1, 2]", "[1,2]"}}) {
    EXPECT_TRUE(
        learned(std::string(R"({"instruction":"a","output":)") + value + "}").starts_with(text))
        << value;
    expect_mentions(report_text(report_, "x"), {"1 answer is no text"});
  }
  EXPECT_NE(message_of([&] { learned(R"({"instruction":"a","output":null})"); }), "");
}

TEST_F(ColumnNames, AnswersThatWeighNothingAreNotLearned) {
  const std::string turns[] = {
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"No.","weight":0},)"
      R"({"role":"user","content":"b"},{"role":"assistant","content":"So.","weight":1}]})",
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"No.","train":false},)"
      R"({"role":"user","content":"b"},{"role":"assistant","content":"So."}]})",
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"No.","loss":false},)"
      R"({"role":"user","content":"b"},{"role":"assistant","content":"So.","loss":true}]})",
      R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"No.","train":false},)"
      R"({"from":"human","value":"b"},{"from":"gpt","value":"So."}]})",
      R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"No.","weight":0},)"
      R"({"from":"human","value":"b"},{"from":"gpt","value":"So.","weight":1.0}]})",
      R"({"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"No."},)"
      R"({"role":"user","content":"b"}],"completion":[{"role":"assistant","content":"So."}]})"};
  for (const TrainOn on : {TrainOn::kAllTurns, TrainOn::kLastTurn, TrainOn::kEverything}) {
    options_.encode.train_on = on;
    for (const std::string& row : turns) {
      const std::string answers = learned(row);
      EXPECT_EQ(answers.find("No."), std::string::npos) << row << "\n" << answers;
      EXPECT_NE(answers.find("So."), std::string::npos) << row << "\n" << answers;
      EXPECT_TRUE(report_.unread.empty()) << row;
    }
  }
  for (const char* value : {R"("weight":0.5)", R"("weight":true)", R"("train":1)", R"("loss":"no")",
                            R"("weight":0,"train":true)"})
    EXPECT_NE(message_of([&, value] {
                learned(std::string(R"({"messages":[{"role":"user","content":"a"},)") +
                        R"({"role":"assistant","content":"b",)" + value + "}]}");
              }),
              "")
        << value;
}

TEST_F(ColumnNames, MessagesAsPeopleHaveThem) {
  for (
      const char* row :
      {R"({"messages":"[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"So.\"}]"})",
       R"({"conversations":"[{\"from\":\"Human\",\"value\":\"a\"},{\"from\":\"GPT\",\"value\":\"So.\"}]"})",
       R"({"messages":[{"role":"USER","content":"a"},{"role":"Assistant","content":"So."}]})",
       R"({"conversations":[{"from":"prompter","value":"a"},{"from":"bot","value":"So."}]})",
       R"({"conversations":[{"from":"user","value":"a"},{"from":"AI","value":"So."}]})"})
    EXPECT_TRUE(learned(row).starts_with("So.")) << row;
  EXPECT_TRUE(learned(R"({"conversations":[{"from":"human","value":"a"},)"
                      R"({"from":"function-call","value":{"name":"f"}},)"
                      R"({"from":"observation","value":"1"},{"from":"gpt","value":"So."}]})")
                  .starts_with(R"({"name":"f"})"));
  for (const char* key : {"system", "system_prompt"}) {
    learned(std::string(R"({"messages":[{"role":"user","content":"a"},)") +
            R"({"role":"assistant","content":"So."}],")" + key + R"(":"Be brief"})");
    EXPECT_NE(text_.find("system\nBe brief"), std::string::npos) << text_;
  }
  expect_mentions(
      message_of([&] {
        learned(R"({"system":"x","messages":[{"role":"system","content":"y"},)"
                R"({"role":"user","content":"a"},{"role":"assistant","content":"b"}]})");
      }),
      {"system"});
}

TEST_F(ColumnNames, ToolsNeedATemplateThatShowsThem) {
  const std::string begin = R"({"messages":[{"role":"user","content":"a"},)";
  const std::string rows[] = {
      begin + R"({"role":"assistant","content":"So."}],"tools":[{"name":"f"}]})",
      begin + R"({"role":"assistant","content":null,"tool_calls":[{"name":"f"}]}]})",
      begin + R"({"role":"assistant","content":null,"function_call":{"name":"f"}}]})"};
  for (const std::string& row : rows)
    for (const char* style : {"falcon", "alpaca", "raw", "chat"}) {
      options_.prompt_style = style;
      expect_mentions(message_of([&] { learned(row); }), {"no place"});
    }
  options_.prompt_style = "falcon";
  expect_mentions(message_of([&] {
                    learned(begin + R"({"role":"tool","content":"1"},)"
                                    R"({"role":"assistant","content":"So."}]})");
                  }),
                  {"tool's answer", "falcon"});
}

TEST_F(ColumnNames, AnAnswerMayComeFirst) {
  for (const char* style : {"falcon", "falcon-instruct", "alpaca", "raw", "chat"}) {
    options_.prompt_style = style;
    const std::string answers = learned(
        R"({"conversations":[{"from":"gpt","value":"Welcome."},{"from":"human","value":"a"},)"
        R"({"from":"gpt","value":"So."}]})");
    EXPECT_NE(answers.find("Welcome."), std::string::npos) << style << answers;
    EXPECT_NE(answers.find("So."), std::string::npos) << style << answers;
    EXPECT_EQ(answers.find("Falcon"), std::string::npos) << style << answers;
  }
}

TEST_F(ColumnNames, NoIdBeyondTheModel) {
  options_.vocab = 300;
  for (const char* row : {R"({"instruction":"<|im_end|> what then?","output":"So many words."})",
                          R"({"text":"So many unusual words."})"})
    expect_mentions(message_of([&] { learned(row); }), {"rows for ids 0 to 299", "resized"});
  expect_mentions(message_of([&] { learned("So many unusual words.", "rows.txt"); }),
                  {"rows for ids 0 to 299"});
  options_.skip_bad = true;
  learned(std::string(R"({"input_ids":[1,2]})") + "\n" + R"({"input_ids":[1,300]})");
  EXPECT_EQ(report_.bad, 1);
}

TEST(Splits, PartsAreNumberedFromZeroOrFromOne) {
  const auto parts = [](std::vector<std::string> names) {
    const TempFolder folder;
    for (const std::string& name : names) write_file(folder / name, "x");
    std::vector<std::string> found;
    for (const auto& file : find_splits(folder.path()).train)
      found.push_back(file.filename().string());
    return found;
  };
  for (const std::vector<std::string>& names : std::vector<std::vector<std::string>>{
           {"train-1-of-2.jsonl", "train-2-of-2.jsonl"},
           {"train-00001-of-00002.parquet", "train-00002-of-00002.parquet"},
           {"train-00000-of-00002.parquet", "train-00001-of-00002.parquet"},
           {"train-1-of-1.json"},
           {"train-0-of-1.json"},
           {"train-00001-of-00002-0123456789abcdef.parquet",
            "train-00002-of-00002-0123456789abcdef.parquet"}}) {
    EXPECT_EQ(parts(names), names);
    EXPECT_TRUE(is_of_split(names.back(), "train"));
  }
  expect_mentions(message_of([&] {
                    parts({"train-2-of-3.jsonl", "train-3-of-3.jsonl"});
                  }),
                  {"part 00001 is missing"});
  expect_mentions(message_of([&] { parts({"train-1-of-2.jsonl"}); }), {"part 00000 is missing"});
  expect_mentions(message_of([&] {
                    parts({"train-0-of-2.jsonl", "train-1-of-2.jsonl", "train-2-of-2.jsonl"});
                  }),
                  {"from 0 to 2 of 2"});
  for (const char* none : {"train-3-of-2.jsonl", "train-0-of-0.jsonl", "train-x-of-2.jsonl"})
    EXPECT_TRUE(parts({none}).empty()) << none;
}

TEST(Splits, EveryNameOfThemIsKnownAndTheOthersAreSaid) {
  for (const char* name : {"test", "val", "validation", "valid", "dev", "eval"})
    for (const char* ending : {".jsonl", ".json", ".csv", ".txt"}) {
      const TempFolder folder;
      write_file(folder / "train.jsonl", "x");
      write_file(folder / (std::string(name) + ending), "x");
      write_file(folder / "extra.JSONL", "x");
      write_file(folder / "README.md", "x");
      write_file(folder / "dataset_infos.json", "{}");
      const SplitFiles splits = find_splits(folder.path());
      EXPECT_EQ(splits.train, std::vector<std::filesystem::path>{folder / "train.jsonl"});
      EXPECT_EQ(splits.held_out,
                std::vector<std::filesystem::path>{folder / (std::string(name) + ending)});
      EXPECT_EQ(splits.unread, std::vector<std::string>{"extra.JSONL"});
    }
}

TEST_F(ColumnNames, AColumnThatAnotherOneHidesIsNamed) {
  options_.columns = "output=output2";
  EXPECT_EQ(learned(R"({"instruction":"Why?","output":"b","output2":"So."})").substr(0, 3), "So.");
  EXPECT_EQ(report_.unread, (std::map<std::string, int64_t>{{"output", 1}}));
  options_.strict_columns = true;
  expect_mentions(
      message_of([&] { learned(R"({"instruction":"Why?","output":"b","output2":"So."})"); }),
      {"\"output\"", "--strict-columns"});
}

TEST_F(ColumnNames, MessagesUnderOtherNames) {
  for (const char* key : {"chat", "turns", "conversation", "dialog", "Chat"}) {
    const std::string begin = std::string("{\"") + key + "\":";
    EXPECT_TRUE(
        learned(begin + R"([{"role":"user","content":"a"},{"role":"assistant","content":"So."}]})")
            .starts_with("So."));
    EXPECT_EQ(report_.columns,
              std::string("messages=") + key + " (guessed; --columns says otherwise)");
    EXPECT_TRUE(learned(begin + R"([{"from":"human","value":"a"},{"from":"gpt","value":"So."}]})")
                    .starts_with("So."));
    EXPECT_EQ(report_.columns,
              std::string("conversations=") + key + " (guessed; --columns says otherwise)");
  }
  expect_mentions(
      message_of([&] {
        learned(R"({"talk":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})");
      }),
      {"messages in \"talk\"", "--columns messages=talk"});
  expect_mentions(message_of([&] { learned(R"({"talk":[{"from":"human","value":"a"}]})"); }),
                  {"--columns conversations=talk"});
  expect_mentions(message_of([&] { learned(R"({"data":[{"instruction":"a","output":"b"}]})"); }),
                  {"whose \"data\" holds rows", "write that list alone"});
}

class KeysOfMessages : public ColumnNames {
 protected:
  using Unread = std::map<std::string, int64_t>;
  static std::string row(const std::string& user, const std::string& assistant,
                         const std::string& more = "") {
    return R"({"messages":[{"role":"user","content":"a")" + user +
           R"(},{"role":"assistant","content":"So.")" + assistant + "}]" + more + "}\n";
  }
  void with_template(const char* source) {
    write_chat_checkpoint(folder_.path(), source);
    options_.prompt_style = "chat";
  }
};

TEST_F(KeysOfMessages, ThatNothingReadsAreNamedOnce) {
  learned(row(R"(,"name":"Ann","id":7)", R"(,"reasoning_content":"Hm.","weight":1)") +
          row(R"(,"name":"Bob","tokens":[],"note":"","x":null)", ""));
  EXPECT_EQ(report_.unread,
            (Unread{{"messages.id", 1}, {"messages.name", 2}, {"messages.reasoning_content", 1}}));
  expect_mentions(report_text(report_, "x"), {"not read: ", "\"messages.name\" (2 rows)"});
  learned(row("", "", R"(,"meta":1)") + row(R"(,"name":"Ann")", ""));
  EXPECT_EQ(report_.unread, (Unread{{"messages.name", 1}, {"meta", 1}}));
  for (const char* style : {"falcon", "falcon-instruct", "alpaca", "raw"}) {
    options_.prompt_style = style;
    learned(row(R"(,"name":"Ann")", ""));
    EXPECT_EQ(report_.unread, (Unread{{"messages.name", 1}})) << style;
  }
  options_.strict_columns = true;
  expect_mentions(message_of([&] { learned(row(R"(,"name":"Ann")", "")); }),
                  {"\"messages.name\" (1 row)", "--strict-columns"});
  EXPECT_EQ(error_or_none([&] { learned(row("", R"(,"weight":1,"train":true)")); }), "");
}

TEST_F(KeysOfMessages, ThatAChatTemplateReadsAreNotNamed) {
  with_template(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.reasoning_content is "
      "defined %}"
      "{{ '(' + m.reasoning_content + ')' }}{% endif %}{{ m.content + '<|im_end|>\n' }}{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}");
  options_.strict_columns = true;
  EXPECT_EQ(learned(row("", R"(,"reasoning_content":"Hm.")")).substr(0, 5), "(Hm.)");
  // One row tells that it is read; another may have it where the template leaves it out.
  options_.strict_columns = false;
  learned(row(R"(,"name":"Ann")", R"(,"reasoning_content":"Hm.")") + row("", ""));
  EXPECT_EQ(report_.unread, (Unread{{"messages.name", 1}}));
  // A template that names a key of something else does not read that of messages.
  with_template(
      "{% for t in tools or [] %}{{ t.name }}{% endfor %}{% for m in messages %}"
      "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}");
  learned(row(R"(,"name":"Ann")", ""));
  EXPECT_EQ(report_.unread, (Unread{{"messages.name", 1}}));
  // Whole messages are handed on by some.
  with_template(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m|tojson) + m.content + "
      "'<|im_end|>\n' }}"
      "{% endfor %}");
  learned(row(R"(,"name":"Ann")", ""));
  EXPECT_EQ(report_.unread, Unread());
}

TEST_F(KeysOfMessages, OfEveryListOfMessages) {
  const std::string turns =
      R"([{"role":"user","content":"a","name":"Ann"},{"role":"assistant","content":"So."}])";
  learned(R"({"conversations":)" + turns + "}");
  EXPECT_EQ(report_.unread, (Unread{{"conversations.name", 1}}));
  learned(R"({"prompt":[{"role":"user","content":"a","name":"Ann"}],)"
          R"("completion":[{"role":"assistant","content":"So.","name":"Bob"}]})");
  EXPECT_EQ(report_.unread, (Unread{{"prompt.name", 1}}));
  learned(turns + "\n");
  EXPECT_EQ(report_.unread, (Unread{{"messages.name", 1}}));
  learned(R"({"conversation":)" + turns + "}");
  EXPECT_EQ(report_.unread, (Unread{{"messages.name", 1}}));
  learned(
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"x":1}}]},)"
      R"({"role":"assistant","content":[{"type":"text","text":"So.","citations":[]}]}]})");
  EXPECT_EQ(report_.unread, (Unread{{"messages.content.cache_control", 1}}));
  learned(
      R"({"conversations":[{"from":"human","value":"a","id":3},{"from":"gpt","value":"So."}]})");
  EXPECT_EQ(report_.unread, (Unread{{"conversations.id", 1}}));
}

TEST_F(ColumnNames, ARowWaitsForOthersAndIsNamedOnce) {
  std::string rows;
  for (int i = 0; i < 5000; ++i)
    rows +=
        i == 10
            ? "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n"
            : R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})"
              "\n";
  const std::string said = message_of([&] { learned(rows); });
  expect_mentions(said, {"line 11: has no answer to learn; mend the row"});
  EXPECT_EQ(said.find("mend the row"), said.rfind("mend the row")) << said;
  EXPECT_EQ(said.find("rows.jsonl"), said.rfind("rows.jsonl")) << said;
}

TEST_F(ColumnNames, AlpacaRowsMayCallTheirSystemPromptSo) {
  options_.prompt_style = "falcon";
  for (const char* key : {"system", "system_prompt"}) {
    learned(std::string(R"({"instruction":"a","output":"So.",")") + key + R"(":"Be brief"})");
    EXPECT_TRUE(text_.starts_with("System: Be brief\n")) << text_;
    EXPECT_TRUE(report_.unread.empty());
  }
}

TEST_F(ColumnNames, WhatIsNoTextInAConversationIsNamed) {
  const auto said = [&](const char* row, std::initializer_list<const char*> parts) {
    expect_mentions(message_of([&] { learned(row); }), parts);
  };
  said(R"({"messages":[{"role":"user","content":null},{"role":"assistant","content":"b"}]})",
       {"a user's message has null as its \"content\"", "expected text"});
  said(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null}]})",
       {"an assistant's message has null", "\"tool_calls\""});
  said(R"({"messages":[{"role":"user"},{"role":"assistant","content":"b"}]})",
       {"a user's message has no \"content\""});
  said(R"({"instruction":"a","output":"b","history":[["q",null]]})",
       {"\"history\" has null as an answer"});
  said(R"({"instruction":"a","output":"b","history":[[3,"x"]]})",
       {"\"history\" has 3 as a question"});
  said(R"({"instruction":"a","output":"b","history":[{"q":"a"}]})",
       {"holds an object", "[question, answer]"});
}

TEST_F(ColumnNames, AnEndThatAnAnswerSpellsIsDroppedBeforeATemplateEndsIt) {
  const std::string end(tokenizer_->token_bytes(*tokenizer_->eos_id()));
  const auto ids = [&](const std::string& answer) {
    return learned(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":")" +
                   answer + "\"}]}");
  };
  EXPECT_EQ(ids("b" + end), ids("b"));
  EXPECT_EQ(ids("b" + end + "\\n"), ids("b"));
}

TEST_F(ColumnNames, AnswersThatWouldLoseWhatTheySayAreRefused) {
  const auto says = [&](const char* row, std::initializer_list<const char*> parts) {
    expect_mentions(message_of([&] { learned(row); }), parts);
  };
  says(R"({"instruction":"a","output":12345678901234567890123})", {"\"output\"", "digits", "text"});
  says(R"({"instruction":"a","output":-9.3e18})", {"\"output\"", "digits"});
  says(R"({"prompt":"a","completion":[{"role":"assistant","content":"b"}]})",
       {"\"completion\"", "list of messages", "\"prompt\" is a text"});
  says(R"({"instruction":"a","output":[1,{"b":[12345678901234567890123]}]})",
       {"\"output\" holds", "digits"});
  says(R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":[1e300]}]})",
       {"\"value\" holds", "digits"});
  says(
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","tool_calls":[1e300]}]})",
      {"\"tool_calls\" holds", "digits"});
  says(
      R"({"tools":"[1e300]","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})",
      {"\"tools\" holds", "digits"});
  for (const char* kept : {"9223372036854775807", "-5", "0.1", "12345678901.5"})
    EXPECT_EQ(learned(fmt::format(R"({{"instruction":"a","output":{}}})", kept))
                  .substr(0, std::string(kept).size()),
              kept);
}

}  // namespace
}  // namespace falconer::test
