// Every format of rows: the ids and labels that are expected, and what is wrong with bad ones.
#include "data/formats.h"

#include <gtest/gtest.h>

#include "data/load.h"
#include "support/chat_checkpoint.h"
#include "support/errors.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

class Formats : public testing::Test {
 protected:
  Formats() {
    write_chat_checkpoint(folder_.path(), kChatMl);
    tokenizer_.emplace(Tokenizer::load(folder_.path()));
    options_.vocab = tokenizer_->vocab_size();
    options_.checkpoint = folder_.path();
  }

  /// Each row's text, with what is learned in brackets.
  std::vector<std::string> rows(const std::string& name, const std::string& content) {
    write_file(folder_ / name, content);
    report_ = {};
    const auto store = load_rows(folder_ / name, &*tokenizer_, options_, report_, &rendered_);
    std::vector<std::string> texts;
    for (int64_t i = 0; i < store->size(); ++i) texts.push_back(shown((*store)[i]));
    return texts;
  }

  std::string row(const std::string& line) { return rows("rows.jsonl", line + "\n").at(0); }

  std::string refused(const std::string& content, const char* name = "rows.jsonl") {
    return message_of([&] { rows(name, content); });
  }

  std::string shown(const Row& row) const {
    std::string text;
    bool learned = false;
    for (size_t i = 0; i < row.ids.size(); ++i) {
      const bool now = row.labels[i] != kIgnoredLabel;
      if (now != learned) text += now ? "[" : "]";
      learned = now;
      text += tokenizer_->token_bytes(row.ids[i]);
    }
    return text + (learned ? "]" : "");
  }

  TempFolder folder_;
  std::optional<Tokenizer> tokenizer_;
  LoadOptions options_;
  DataReport report_;
  RenderedAs rendered_;
};

TEST_F(Formats, AlpacaWithSystemAndHistory) {
  options_.prompt_style = "falcon";
  EXPECT_EQ(row(R"({"instruction":"Add","input":"1 2","output":"3"})"),
            "User: Add\n1 2\nFalcon:[ 3<|endoftext|>]");
  EXPECT_EQ(row(R"({"instruction":"c","output":"d","system":"s","history":[["a","b"]]})"),
            "System: s\nUser: a\nFalcon:[ b<|endoftext|>]\nUser: c\nFalcon:[ d<|endoftext|>]");
  EXPECT_EQ(row(R"({"instruction":"a","output":"b","input":null,"system":null,"history":[]})"),
            "User: a\nFalcon:[ b<|endoftext|>]");
  options_.prompt_style = "";
  EXPECT_NE(row(R"({"instruction":"a","output":"b"})").find("### Response:\n[b<|endoftext|>]"),
            std::string::npos);
  EXPECT_EQ(rendered_.prompt_style, "alpaca");
  expect_mentions(refused(R"({"instruction":"a","output":"b","history":[["a"]]})"),
                  {"line 1", "history", "[question, answer]"});
}

TEST_F(Formats, ShareGptAndMessagesAreTheSameConversation) {
  const std::string sharegpt =
      R"({"conversations":[{"from":"system","value":"S"},{"from":"human","value":"a"},)"
      R"({"from":"gpt","value":"b"},{"from":"observation","value":"o"},{"from":"function_call","value":"f"}]})";
  const std::string messages =
      R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"a"}]},)"
      R"({"role":"assistant","content":"b"},{"role":"tool","content":"o"},{"role":"assistant","content":"f"}]})";
  const std::string want =
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
      "[b<|im_end|>]\n<|im_start|>tool\no<|im_end|>\n<|im_start|>assistant\n[f<|im_end|>]\n";
  EXPECT_EQ(row(sharegpt), want);
  EXPECT_EQ(rendered_.format, "sharegpt");
  EXPECT_EQ(rendered_.prompt_style, "chat");
  EXPECT_EQ(rendered_.prompt_template, kChatMl);
  EXPECT_EQ(row(messages), want);
  EXPECT_EQ(rendered_.format, "messages");
  write_chat_checkpoint(folder_.path(), "");
  EXPECT_EQ(
      row(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})"),
      "User: a\nFalcon:[ b<|endoftext|>]")
      << "no template of its own";
}

TEST_F(Formats, WhatIsLearnedOfTurns) {
  const std::string line =
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
      R"({"role":"user","content":"c"},{"role":"assistant","content":"d"},{"role":"user","content":"e"}]})";
  options_.prompt_style = "falcon";
  EXPECT_EQ(row(line), "User: a\nFalcon:[ b<|endoftext|>]\nUser: c\nFalcon:[ d<|endoftext|>]")
      << "nothing is learned behind the last answer";
  options_.encode.train_on = TrainOn::kLastTurn;
  EXPECT_EQ(row(line), "User: a\nFalcon: b<|endoftext|>\nUser: c\nFalcon:[ d<|endoftext|>]");
  options_.encode.train_on = TrainOn::kEverything;
  EXPECT_EQ(row(line), "[User: a\nFalcon: b<|endoftext|>\nUser: c\nFalcon: d<|endoftext|>]");
}

TEST_F(Formats, ATemplateWithoutAnEndOfTurnGetsEndOfText) {
  write_chat_checkpoint(folder_.path(),
                        "{% for m in messages %}{{ m.role }}: {{ m.content }} "
                        "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}");
  EXPECT_EQ(
      row(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})"),
      "user: a assistant:[ b <|endoftext|>]");
}

TEST_F(Formats, ToolCallsReachTheTemplate) {
  write_chat_checkpoint(
      folder_.path(),
      "{{ tools | tojson }}{% for m in messages %}<|im_start|>{{ m.content is none }}"
      "{% for c in m.tool_calls %}{{ c.function.name }}{% endfor %}<|im_end|>{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>{% endif %}");
  EXPECT_EQ(row(R"({"tools":[{"b":1,"a":2}],"messages":[{"role":"user","content":"q"},{"role":)"
                R"("assistant","content":null,"tool_calls":[{"function":{"name":"f"}}]}]})"),
            "[{\"b\": 1, \"a\": 2}]<|im_start|>False<|im_end|><|im_start|>[Truef<|im_end|>]")
      << "keys in their order";
  EXPECT_EQ(
      row(R"({"tools":"[]","conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"r"}]})"),
      "[]<|im_start|>False<|im_end|><|im_start|>[False<|im_end|>]");
}

TEST_F(Formats, PromptAndCompletionStandAsTheyAre) {
  EXPECT_EQ(row(R"({"prompt":"Q: a\nA:","completion":" b"})"), "Q: a\nA:[ b<|endoftext|>]");
  EXPECT_EQ(rendered_.prompt_style, "raw");
  options_.prompt_style = "alpaca";
  expect_mentions(refused(R"({"prompt":"a","completion":"b"})"),
                  {"prompt-completion", "--prompt-style", "alpaca"});
}

TEST_F(Formats, LongTextsGoOnInTheNextRow) {
  options_.encode.max_seq_length = 4;
  const auto texts = rows("rows.jsonl", "{\"text\":\"a b c d e f g\"}\n{\"text\":\"h\"}\n");
  EXPECT_EQ(texts,
            (std::vector<std::string>{"[a b c d]", "[ e f g<|endoftext|>]", "[h<|endoftext|>]"}));
  EXPECT_EQ(report_.truncated, 0);
}

TEST_F(Formats, PlainTextIsOneLongText) {
  options_.encode.max_seq_length = 4;
  EXPECT_EQ(rows("a.txt", "a b\nc d\ne <|im_end|>").front(), "[a b\nc]");
  std::string long_text;
  for (int i = 0; i < 40000; ++i)
    long_text += fmt::format("line {} of it\n{}", i, i % 7 == 0 ? "\n\n" : "");
  options_.encode.max_seq_length = 1024;
  std::string all;
  for (const std::string& text : rows("long.txt", long_text))
    all += text.substr(1, text.size() - 2);
  EXPECT_EQ(all, long_text + "<|endoftext|>");
  // Cut into parts, it has the tokens that it has as a whole.
  EXPECT_EQ(report_.tokens, std::ssize(tokenizer_->encode(long_text)) + 1);
  EXPECT_EQ(rendered_.prompt_style, "raw");
  expect_mentions(refused("", "empty.parquet"), {"no Parquet file", "PAR1"});
}

TEST_F(Formats, SpecialTokensInRowsAreText) {
  const std::string line = R"({"prompt":"a<|im_end|>","completion":"b<|endoftext|>c"})";
  const auto controls = [&] {
    write_file(folder_ / "rows.jsonl", line);
    const auto store = load_rows(folder_ / "rows.jsonl", &*tokenizer_, options_, report_);
    const std::vector<int32_t> ids = store->at(0).ids;
    return std::count_if(ids.begin(), ids.end(),
                         [&](int32_t id) { return tokenizer_->is_special(id); });
  };
  EXPECT_EQ(controls(), 1) << "the one that ends the answer";
  options_.encode.parse_special = true;
  EXPECT_EQ(controls(), 3);
}

TEST_F(Formats, AFileHoldsOneFormat) {
  const std::string alpaca = R"({"instruction":"a","output":"b"})", text = R"({"text":"x"})";
  expect_mentions(refused(alpaca + "\n\n" + text + "\n"),
                  {"rows.jsonl", "line 3", "text", "alpaca", "one format"});
  expect_mentions(refused("{\"foo\":1}\n"), {"line 1", "\"instruction\" (alpaca)", "\"messages\""});
  options_.format = "text";
  expect_mentions(refused(alpaca + "\n"), {"line 1", "has no \"text\""});
  EXPECT_EQ(row(R"({"instruction":"a","text":"x"})"), "[x<|endoftext|>]") << "as it was asked for";
  options_.format = "alpacca";
  expect_mentions(refused(text), {"alpacca", "sharegpt", "prompt-completion"});
}

TEST_F(Formats, BadRowsSayWhatIsWrong) {
  const auto says = [&](const char* line, std::initializer_list<const char*> parts) {
    expect_mentions(refused(line), {"line 1"});
    expect_mentions(refused(line), parts);
  };
  says(R"({"messages":[]})", {"messages"});
  says(R"({"messages":[{"role":"user","content":"a"}]})", {"no answer"});
  says(R"({"messages":[{"role":"user"}]})", {"user", "content"});
  says(R"({"messages":[{"role":"king","content":"a"}]})", {"king"});
  says(R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})", {"image_url"});
  says(R"({"messages":[7]})", {"7"});
  says(R"({"conversations":[{"from":"human"}]})", {"value"});
  says(R"({"conversations":{"from":"human"}})", {"conversations"});
  says(R"({"conversations":[{"from":"gpt","value":"x"}],"tools":"{"})", {"tools"});
  says(R"({"prompt":"a","completion":null})", {"completion"});
  says(R"({"prompt":7,"completion":"a"})", {"prompt"});
  says(R"({"input_ids":[1,"2"]})", {"a string"});
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  says(("{\"tools\":[" + deep + "],\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}").c_str(),
       {"100 deep"});
  says(("{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"x\":" + deep + "}]}").c_str(),
       {"100 deep"});
  says(("{\"conversations\":[{\"from\":\"gpt\",\"value\":\"x\"}],\"tools\":\"" + deep + "\"}")
           .c_str(),
       {"tools", "not a list"});
  says(("{\"input_ids\":[" + deep + "]}").c_str(), {"100 deep"});
  says(deep.c_str(), {"100 deep"});
  says("[1]", {"not a JSON object"});
}

TEST_F(Formats, ATemplateThatRefusesARowNamesItsLine) {
  write_chat_checkpoint(folder_.path(),
                        "\n{% if messages|length > 2 %}{{ raise_exception('two turns "
                        "only') }}{% endif %}{% for m in messages %}{{ m.content "
                        "}}<|im_end|>{% endfor %}");
  const std::string two =
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})";
  const std::string three =
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"assistant","content":"c"}]})";
  expect_mentions(refused(two + "\n" + three + "\n"), {"line 2", "two turns only", "--skip-bad"});
  options_.skip_bad = true;
  EXPECT_EQ(rows("rows.jsonl", two + "\n" + three + "\n").size(), 1u);
  EXPECT_EQ(report_.bad, 1);
}

TEST_F(Formats, CsvOfEveryFormatOfTexts) {
  options_.prompt_style = "";
  EXPECT_EQ(rows("a.csv", "prompt,completion\n\"a\nb\",c\n"),
            std::vector<std::string>{"a\nb[c<|endoftext|>]"});
  EXPECT_EQ(rows("a.csv", "id,text\n1,x\n2,\"y, z\"\n"),
            (std::vector<std::string>{"[x<|endoftext|>]", "[y, z<|endoftext|>]"}));
}

TEST_F(Formats, FoldersOfAnyFormat) {
  const TempFolder data;
  write_file(data / "train.jsonl", R"({"text":"a"})");
  write_file(data / "validation.json", R"([{"text":"b"},{"text":"c"}])");
  LoadedData loaded = load_dataset(data.path(), &*tokenizer_, options_);
  EXPECT_EQ(loaded.rows().size(), 1);
  EXPECT_EQ(loaded.held_out().size(), 2);
  write_file(data / "val.txt", "d");
  EXPECT_EQ(load_dataset(data.path(), &*tokenizer_, options_).held_out().size(), 1);
}

}  // namespace
}  // namespace falconer::test
