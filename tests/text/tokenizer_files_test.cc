// tokenizer.json files of several makes with the ids and texts that `tokenizers` gave, written by
// tests/ecosystem/tokenizer_files.py --write and tokenizer_families.py --write.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/log.h"
#include "support/errors.h"
#include "support/paths.h"
#include "text/gpt2_files.h"
#include "text/token_decoder.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;

Tokenizer tokenizer_of(const json& file) {
  return Tokenizer::parse({{"tokenizer.json", file.dump()}}, "tokenizer.json");
}

class TokenizerFiles : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerFiles, EveryIdAndEveryText) {
  const json made = json::parse(read_text_file(
      std::string(source_dir()) + "/tests/text/data/" + GetParam() + ".json", size_t{1} << 20));
  const Tokenizer tokenizer = tokenizer_of(made["tokenizer"]);
  for (const json& row : made["rows"]) {
    const auto ids = row["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(tokenizer.encode(row["text"].get<std::string>()), ids) << row["text"];
    const auto decoded = row["decoded"].get<std::string>();
    EXPECT_EQ(tokenizer.decode(ids), decoded) << row["text"];
    StreamDecoder stream(tokenizer, false);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.finish(), decoded) << row["text"];
  }
  EXPECT_GT(made["rows"].size(), 50u);
}
INSTANTIATE_TEST_SUITE_P(All, TokenizerFiles,
                         ::testing::Values("gpt2", "llama2", "mistral", "gemma", "normalizers",
                                           "whitespace", "roberta", "no_pre_tokenizer", "deepseek",
                                           "unigram", "unigram_ties"),
                         [](const auto& which) { return std::string(which.param); });

json characters(const json& more) {
  json file = {
      {"model",
       {{"type", "BPE"},
        {"byte_fallback", true},
        {"vocab", {{"a", 0}, {"\u2581", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}, {"<u>", 4}}},
        {"merges", json::array()}}},
      {"decoder",
       {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}}}};
  file.merge_patch(more);
  return file;
}

TEST(CharacterTokenizer, BytesThatBreakOffAreReplacedOneByOne) {
  const Tokenizer tokenizer = tokenizer_of(characters(json::object()));
  EXPECT_EQ(tokenizer.encode("a\u00E9"), (std::vector<int32_t>{0, 2, 3}));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{0, 2, 3, 0}), "a\u00E9a");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{2, 3, 2}), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer.token_bytes(2), "\xC3");
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(2), "");
  EXPECT_EQ(stream.push(3), "") << "a byte may follow that makes it none";
  EXPECT_EQ(stream.push(0), "\u00E9" + std::string("a"));
}

TEST(CharacterTokenizer, UnknownCharacters) {
  const auto ids = [](const json& model) {
    return tokenizer_of(characters({{"model", model}})).encode("xya\u00EAz");
  };
  EXPECT_EQ(ids({{"unk_token", "<u>"}}), (std::vector<int32_t>{4, 4, 0, 4, 4}));
  EXPECT_EQ(ids({{"unk_token", "<u>"}, {"fuse_unk", true}}), (std::vector<int32_t>{4, 0, 4}));
  EXPECT_EQ(ids(json::object()), (std::vector<int32_t>{0}));
  expect_mentions(message_of([&] { ids({{"unk_token", "gone"}}); }), {"unk_token", "gone"});
}

TEST(CharacterTokenizer, HostileStepsAreBounded) {
  json steps = json::array();
  for (int i = 0; i < 60; ++i)
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  const Tokenizer tokenizer =
      tokenizer_of(characters({{"normalizer", {{"type", "Sequence"}, {"normalizers", steps}}}}));
  expect_mentions(message_of([&] { tokenizer.encode("a"); }), {"bytes or more of a text of"});
}

TEST(CharacterTokenizer, ExpressionsThatReadOtherwiseAreRefusedByName) {
  const auto with = [](const char* regex) {
    const json step = {
        {"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}};
    return tokenizer_of(characters({{"pre_tokenizer", step}}));
  };
  for (const char* regex : {"\\h", "[a&&b]", "[a[b]]", "[[:alpha:]]", "a{2}+", "a{2}?", "b(?i)a",
                            "(?x)a", "(*UCP)a", "\\v", "[\\W]", "(a)\\1"})
    expect_mentions(message_of([&] { with(regex); }), {"does not match as `tokenizers` does"});
  for (const char* regex : {"^a$", "\\w\\b", "(?i:a)", "a{1,3}|b{,2}", "[^\\s\\p{L}]?\\p{L}++"})
    EXPECT_EQ(with(regex).encode("a"), std::vector<int32_t>{0}) << regex;
}

TEST(BesideTokenizerJson, AddBosTokenIsSaidNotToCount) {
  const json file = characters(json::object());
  const auto said = [&](const json& more) {
    json own = file;
    own.update(more);
    const LogLevelHere warnings(LogLevel::kWarning);
    testing::internal::CaptureStderr();
    Tokenizer::parse({{"tokenizer.json", own.dump()},
                      {"tokenizer_config.json", R"({"add_bos_token": true, "bos_token": "a"})"}},
                     "here");
    return testing::internal::GetCapturedStderr();
  };
  expect_mentions(said(json::object()), {"here", "no a before", "add_bos_token"});
  const json bos = {{"type", "BertProcessing"}, {"cls", {"a", 0}}, {"sep", {"a", 0}}};
  EXPECT_EQ(said({{"post_processor", bos}}), "");
}

TEST(Gpt2Files, AreReadAsTransformersReadsThem) {
  std::map<std::string, std::string> files = {
      {"vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3, "\u0120": 4})"},
      {"merges.txt", "#version: 0.2\na b\n"},
      {"added_tokens.json", R"({"<new>": 5})"}};
  const Tokenizer tokenizer = Tokenizer::parse(files, "here");
  EXPECT_EQ(tokenizer.encode("ab a<new><|endoftext|>"), (std::vector<int32_t>{2, 4, 0, 5, 3}));
  EXPECT_TRUE(tokenizer.is_special(3) && !tokenizer.is_special(5));
  EXPECT_EQ(tokenizer.eos_id(), 3) << "the class's own, where no file names one";
  files["tokenizer_config.json"] = R"({"add_bos_token": true})";
  EXPECT_EQ(Tokenizer::parse(files, "here").encode("ab"), (std::vector<int32_t>{3, 2}));
  files["tokenizer_config.json"] = R"({"tokenizer_class": "RobertaTokenizer"})";
  expect_mentions(message_of([&] { Tokenizer::parse(files, "here"); }),
                  {"here", "RobertaTokenizer"});
  files["merges.txt"] = "a b c\n";
  files.erase("tokenizer_config.json");
  expect_mentions(message_of([&] { Tokenizer::parse(files, "here"); }), {"merges.txt: line 1"});
}

}  // namespace
}  // namespace falconer::test
