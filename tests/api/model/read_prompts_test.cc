// Prompts come from every kind of file that rows come from, and are the same.
#include <gtest/gtest.h>

#include "base/file.h"
#include "falconer/use.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/said.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

TEST(ReadPrompts, EveryKindOfFileGivesTheSame) {
  const Model model = Model::open({.checkpoint = std::string(source_dir()) + "/demo/checkpoint"});
  const TempFolder folder;
  const auto read = [&](const char* name, const std::string& content, bool raw = false) {
    write_file(folder / name, content);
    return read_prompts((folder / name).string(), model, raw);
  };
  const auto expected = read("a.jsonl",
                             "{\"instruction\":\"Say \\\"a\\\", b\",\"input\":null}\n"
                             "{\"instruction\":\"Add\",\"input\":\"1\\n2\"}\n");
  ASSERT_EQ(expected.size(), 2u);
  EXPECT_EQ(expected[0], model.encode_prompt("Say \"a\", b", "", false));
  EXPECT_EQ(expected[1], model.encode_prompt("Add", "1\n2", false));
  const std::string array =
      "[{\"instruction\":\"Say \\\"a\\\", b\"},\n"
      " {\"instruction\":\"Add\",\"input\":\"1\\n2\"}]";
  EXPECT_EQ(read("a.json", array), expected);
  EXPECT_EQ(read("a.csv", "instruction,input\n\"Say \"\"a\"\", b\",\nAdd,\"1\n2\"\n"), expected);
  EXPECT_EQ(read("a.tsv", "instruction\tinput\n\"Say \"\"a\"\", b\"\t\nAdd\t\"1\n2\"\n"), expected);
  EXPECT_EQ(read("b.csv", "prompt\n\"a, b\"\n", true)[0], model.encode_prompt("a, b", "", true));
  EXPECT_EQ(read("ids.json", R"([{"prompt_ids":[1,2]}])")[0], (std::vector<int32_t>{1, 2}));
  expect_mentions(message_of([&] { read("bad.json", R"([{"prompt":"a"},{"text":"b"}])"); }),
                  {"bad.json", "row 2", "prompt"});
  expect_mentions(message_of([&] { read("bad.csv", "prompt,prompt_ids\na,\"1,2\"\n"); }),
                  {"bad.csv", "line 2", "prompt_ids"});
  expect_mentions(message_of([&] { read("none.jsonl", "\n"); }), {"holds no prompts"});
}

// As `evaluate` asks the same row.
TEST(ReadPrompts, AnInputIsAskedWithoutAStyleToo) {
  const Model model = Model::open({.checkpoint = std::string(source_dir()) + "/demo/checkpoint"});
  const auto ids = model.encode_prompt("a", "b", false);
  EXPECT_EQ(model.decode(ids), "a\nb");
  EXPECT_EQ(model.encode_prompt("a", "b", true), ids);
}

TEST(ReadPrompts, AnEndThatAnAnswerSpellsIsItsEnd) {
  const Model model = Model::open(
      {.checkpoint = std::string(source_dir()) + "/demo/checkpoint", .prompt_style = "falcon"});
  const auto asked = [&](const std::string& answer) {
    return model.encode_chat(
        parse_chat(R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","content":")" +
                   answer + R"("},{"role":"user","content":"z"}]})"));
  };
  EXPECT_EQ(asked("y<|endoftext|>"), asked("y"));
  EXPECT_EQ(asked("y<|endoftext|> \\n"), asked("y"));
}

TEST(ReadPrompts, WhatOfMessagesIsNotAskedIsNamed) {
  const Model model = Model::open(
      {.checkpoint = std::string(source_dir()) + "/demo/checkpoint", .prompt_style = "falcon"});
  const TempFolder folder;
  const auto said = [&](const std::string& rows) {
    write_file(folder / "a.jsonl", rows);
    return log_and_error(LogLevel::kWarning,
                         [&] { read_prompts((folder / "a.jsonl").string(), model); });
  };
  const std::string plain = R"({"messages":[{"role":"user","content":"a"}]})";
  EXPECT_EQ(said(plain), "");
  expect_mentions(said(R"({"messages":[{"role":"user","content":"a","name":"Ann"}]})"
                       "\n" +
                       plain),
                  {"not asked: \"messages.name\" (1 row)"});
  EXPECT_EQ(said(R"({"system":"x","messages":[{"role":"user","content":"a"}]})"), "");
  expect_mentions(said(R"({"chat":[{"role":"user","content":"a"}]})"),
                  {"line 1: has none of \"prompt\", \"instruction\", \"messages\""});
}

}  // namespace
}  // namespace falconer::test
