// The files and ids in token_additions.json are transformers', written by tests/ecosystem/token_additions.py --write.
#include "text/token_additions.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/said.h"
#include "text/gpt2_files.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

TEST(TokenAdditions, GiveTheIdsOfTransformers) {
  const json made = json::parse(read_text_file(
      std::string(source_dir()) + "/tests/text/data/token_additions.json", size_t{1} << 20));
  const auto texts = made["texts"].get<std::vector<std::string>>();
  EXPECT_GT(made["cases"].size(), 20u);
  for (const json& one : made["cases"]) {
    const Tokenizer tokenizer =
        Tokenizer::parse(one["files"].get<std::map<std::string, std::string>>(), "here");
    for (size_t i = 0; i < texts.size(); ++i)
      EXPECT_EQ(tokenizer.encode(texts[i]), one["ids"][i].get<Ids>()) << texts[i] << "\n"
                                                                      << one["files"];
  }
}

json added(int64_t id, const char* content, bool special = true) {
  return {{"id", id}, {"content", content}, {"special", special}};
}

std::string file_with(const json& vocab, const json& tokens) {
  return json{{"added_tokens", tokens},
              {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
              {"decoder", {{"type", "ByteLevel"}}},
              {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", json::array()}}}}
      .dump();
}

struct Given {
  Ids ids;
  std::string said;
};

/// What becomes of a text, and what is warned of.
Given given(const json& vocab, const json& tokens, const std::string& text,
            std::map<std::string, std::string> files = {}) {
  files["tokenizer.json"] = file_with(vocab, tokens);
  Given made;
  std::string wrong;
  made.said = log_and_error(LogLevel::kWarning, [&] {
    wrong = error_or_none([&] { made.ids = Tokenizer::parse(files, "here").encode(text); });
  });
  if (!wrong.empty()) fail("{}", wrong);
  return made;
}

const json kVocab = {{"a", 0}, {"b", 1}, {"c", 2}};

// Each was tried with tokenizers 0.23.
TEST(TokenAdditions, IdsThatDoNotFollowTheVocabularyAreGivenAnewAndTold) {
  struct {
    json tokens;
    std::string text;
    Ids ids;
    bool told;
  } const cases[] = {
      {json::array({added(3, "<x>"), added(4, "<y>")}), "a<x>b<y>", {0, 3, 1, 4}, false},
      {json::array({added(5, "<x>"), added(9, "<y>")}), "a<x>b<y>", {0, 3, 1, 4}, true},  // holes
      {json::array({added(4, "<y>"), added(3, "<x>")}),
       "a<x>b<y>",
       {0, 4, 1, 3},
       true},  // their order counts
      {json::array({added(3, "<x>"), added(3, "<y>")}),
       "a<x>b<y>",
       {0, 3, 1, 4},
       true},                                                               // one id of two
      {json::array({added(1, "<x>")}), "a<x>b", {0, 3, 1}, true},           // that b has
      {json::array({added(7, "b")}), "abc", {0, 1, 2}, true},               // b has its own
      {json::array({added(2147483647, "<x>")}), "a<x>b", {0, 3, 1}, true},  // beyond all bounds
      {json::array({added(3, "<x>"), added(4, "<x>")}), "a<x>b", {0, 3, 1}, true},  // twice
      {json::array({added(3, ""), added(4, "<y>")}), "a<y>", {0, 3}, true},
      {json::array({added(9, "<x>"), added(1, "b"), added(3, "<z>")}),
       "a<x>b<z>",
       {0, 3, 1, 4},
       true}};
  for (const auto& [tokens, text, ids, told] : cases) {
    const Given made = given(kVocab, tokens, text);
    EXPECT_EQ(made.ids, ids) << tokens;
    EXPECT_EQ(!made.said.empty(), told) << tokens << made.said;
  }
  expect_mentions(given(kVocab, json::array({added(5, "<x>")}), "").said,
                  {"here", "\"<x>\" is 3 and not 5"});
}

TEST(TokenAdditions, AnIdThatTwoTokensWouldHaveIsRefused) {
  const json gap = {{"a", 0}, {"b", 1}, {"c", 4}};
  expect_mentions(message_of([&] {
                    given(gap, json::array({added(5, "<x>"), added(6, "<y>")}), "");
                  }),
                  {"here", "\"<y>\"", "the id 4", "\"c\"", "without gaps"});
  EXPECT_EQ(given(gap, json::array({added(3, "<x>")}), "<x>c").ids, (Ids{3, 4}));
  for (const json& id : {json(-1), json(8589934592), json("3"), json(2.5), json(true), json()})
    EXPECT_NE(message_of([&] {
                given(kVocab, json::array({{{"id", id}, {"content", "<x>"}}}), "");
              }),
              "")
        << id;
}

TEST(TokenAdditions, TokensOfTheFilesBesideAreTokens) {
  const auto with = [](const char* config) {
    return std::map<std::string, std::string>{{"tokenizer_config.json", config}};
  };
  const std::string list =
      R"("added_tokens_decoder": {"9": {"content": "<t>", "special": true}, "7": {"content": "<s>"}})";
  EXPECT_EQ(given(kVocab, json::array(), "a<t><s>", with(("{" + list + "}").c_str())).ids,
            (Ids{0, 4, 3}));
  EXPECT_EQ(given(kVocab, json::array({added(3, "<x>")}), "<x><pad><q>",
                  with(R"({"pad_token": "<pad>", "additional_special_tokens": ["<q>"]})"))
                .ids,
            (Ids{3, 4, 5}));
  // Of the vocabulary, which is no added token otherwise: it is found within a text.
  EXPECT_EQ(given({{"a", 0}, {"<", 1}, {"end", 2}, {"<end", 3}}, json::array(), "a<enda",
                  with(R"({"eos_token": "<end"})"))
                .ids,
            (Ids{0, 3, 0}));
  for (const char* missing :
       {R"({"eos_token": "<gone>"})", R"({"bos_token": {"content": "<gone>"}})"})
    expect_mentions(message_of([&] { given(kVocab, json::array(), "", with(missing)); }),
                    {"here", "\"<gone>\"", "lacks"});
  EXPECT_EQ(
      given(kVocab, json::array(), "<t>", with((R"({"eos_token": "<t>", )" + list + "}").c_str()))
          .ids,
      Ids{4});
}

// Which of two files transformers goes by has changed; what either of them names is no text.
TEST(TokenAdditions, WhatAnyFileNamesIsControl) {
  const Tokenizer tokenizer = Tokenizer::parse(
      {{"tokenizer.json", file_with(kVocab, {added(3, "<x>", false), added(4, "<y>", false),
                                             added(5, "<z>", false)})},
       {"tokenizer_config.json", R"({"eos_token": "<x>"})"},
       {"special_tokens_map.json", R"({"eos_token": "<y>"})"}},
      "here");
  EXPECT_TRUE(tokenizer.is_special(3) && tokenizer.is_special(4) && !tokenizer.is_special(5));
  EXPECT_EQ(tokenizer.eos_id(), 3);
}

TEST(TokenAdditions, WhatIsNoTokenIsRefusedByName) {
  for (const char* config :
       {R"({"added_tokens_decoder": [1]})", R"({"added_tokens_decoder": {"x": {"content": "t"}}})",
        R"({"added_tokens_decoder": {"-1": {"content": "t"}}})",
        R"({"added_tokens_decoder": {"5": "t"}})", R"({"added_tokens_decoder": {"5": {}}})",
        R"({"added_tokens_decoder": {"5": {"content": "t", "special": 3}}})"})
    expect_mentions(message_of([&] {
                      given(kVocab, json::array(), "", {{"tokenizer_config.json", config}});
                    }),
                    {"here", "tokenizer_config.json"});
}

TEST(TokenAdditions, OtherProgramsReadThemInOneFileAsFarAsThereAreRows) {
  std::map<std::string, std::string> files = {
      {"tokenizer.json", file_with(kVocab, json::array({added(9, "<x>")}))},
      {"tokenizer_config.json", R"({"pad_token": "<pad>", "additional_special_tokens": ["<q>"]})"}};
  const json whole = json::parse(tokenizer_json_with_additions(files, 5, "here"));
  ASSERT_EQ(whole["added_tokens"].size(), 2u);
  EXPECT_EQ(whole["added_tokens"][0]["id"], 3);
  EXPECT_EQ(whole["added_tokens"][1]["content"], "<pad>");
  EXPECT_EQ(whole["added_tokens"][1]["id"], 4);
  files = {{"vocab.json", R"({"a": 0, "<|endoftext|>": 1})"}, {"merges.txt", "#version: 0.2\n"}};
  EXPECT_EQ(
      json::parse(tokenizer_json_with_additions(files, 2, "here"))["added_tokens"][0]["content"],
      "<|endoftext|>");
}

// Where white space that a token takes along is part of another token, both are there.
TEST(TokenAdditions, TokensMayLieInTheSpaceOfOthers) {
  const json vocab = {{"a", 0}, {"b", 1}, {"c", 2}, {"\u0120", 3}, {"x", 4}};
  const auto token = [](int64_t id, const char* content, const char* strip) {
    return json{
        {"id", id}, {"content", content}, {"special", true}, {"normalized", false}, {strip, true}};
  };
  EXPECT_EQ(given(vocab, json::array({token(5, " x", "rstrip")}), " x x x").ids, (Ids{5, 5, 5}));
  EXPECT_EQ(
      given(vocab, json::array({token(5, "<y>", "rstrip"), token(6, " x", "special")}), "<y>  x a")
          .ids,
      (Ids{5, 6, 3, 0}));
  EXPECT_EQ(
      given(vocab, json::array({token(5, "<y>", "rstrip"), token(6, "  ", "special")}), "<y>   x a")
          .ids,
      (Ids{5, 6, 3, 4, 3, 0}));
  EXPECT_EQ(given(vocab, json::array({token(5, "<y>", "lstrip"), token(6, "x ", "special")}),
                  "x  <y> x a")
                .ids,
            (Ids{6, 5, 3, 6, 0}));
}

}  // namespace
}  // namespace falconer::test
