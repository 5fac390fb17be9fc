#include "checkpoint/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "checkpoint/gguf_cuts.h"
#include "support/errors.h"
#include "support/goldens.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;

std::filesystem::path demo() { return std::filesystem::path(source_dir()) / "demo/checkpoint"; }

class GgufTokenizer : public ::testing::Test {
 protected:
  GgufTokenizer() : files(side_files(demo())), file(json::parse(files["tokenizer.json"])) {}

  /// A GGUF with the tokenizer of `files` alone.
  Gguf write(int64_t vocab = 640, std::vector<int32_t> ends = {0}) {
    files["tokenizer.json"] = file.dump();
    GgufMetadata metadata;
    metadata.add("general.architecture", "falcon");
    add_gguf_tokenizer(files, "here", {.vocab = vocab, .ends = std::move(ends)}, metadata);
    GgufWriter(folder / "x.gguf", {}, metadata).commit();
    return Gguf::open(folder / "x.gguf");
  }
  std::string refused(int64_t vocab = 640) {
    return message_of([&] { write(vocab); });
  }

  TempFolder folder;
  SideFiles files;
  json file;
};

TEST_F(GgufTokenizer, TextGivesTheSameTokensBothWays) {
  write();
  const Tokenizer before = Tokenizer::load(demo());
  const Tokenizer after = Tokenizer::parse(side_files(folder / "x.gguf"), "x.gguf");
  for (const char* text : {"", "Hello, world!", "What food do llamas eat?\n\n  1234 ",
                           "<|endoftext|>a", "Ünïcödé ²³ 東京", "it's\t\t1000000"}) {
    EXPECT_EQ(before.encode(text), after.encode(text)) << text;
    EXPECT_EQ(before.decode(before.encode(text)), after.decode(after.encode(text)));
  }
  EXPECT_EQ(before.eos_id(), after.eos_id());
  EXPECT_TRUE(after.is_special(0));
}

// The tokenizer's own end comes first, and no end twice; there are three places.
TEST_F(GgufTokenizer, EveryEndThatHasAPlaceIsWritten) {
  EXPECT_EQ(ends_in_gguf(write()), std::vector<int32_t>{0});
  EXPECT_EQ(ends_in_gguf(write(640, {7, 0})), (std::vector<int32_t>{0, 7}));
  EXPECT_EQ(ends_in_gguf(write(640, {7, 9, 0})), (std::vector<int32_t>{0, 7, 9}));
  testing::internal::CaptureStderr();
  EXPECT_EQ(ends_in_gguf(write(640, {7, 9, 11, 13})), (std::vector<int32_t>{0, 7, 9}));
  const std::string said = testing::internal::GetCapturedStderr();
  if (log_level() <= LogLevel::kWarning) expect_mentions(said, {"11, 13"});
}

TEST_F(GgufTokenizer, SaysWhatLlamaCppAsksFor) {
  const Gguf gguf = write(645);
  EXPECT_EQ(gguf.text("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(gguf.text("tokenizer.ggml.pre"), "falcon");
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  const GgufValue* types = gguf.find("tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), 645u) << "one for each row of the embedding";
  EXPECT_EQ(types->count, 645u);
  EXPECT_EQ(tokens[644], "[PAD644]");
  EXPECT_EQ(types->integer_at(644), 5) << "unused";
  EXPECT_EQ(tokens[0], "<|endoftext|>");
  EXPECT_EQ(types->integer_at(0), 3) << "control";
  EXPECT_EQ(types->integer_at(1), 1) << "normal";
  EXPECT_EQ(gguf.texts("tokenizer.ggml.merges").size(), file["model"]["merges"].size());
  EXPECT_EQ(gguf.integer("tokenizer.ggml.eos_token_id"), 0);
  EXPECT_EQ(gguf.find("tokenizer.ggml.add_bos_token")->integer, 0);
  EXPECT_EQ(gguf.find("tokenizer.ggml.bos_token_id"), nullptr);
  EXPECT_EQ(gguf.find("tokenizer.chat_template"), nullptr);
}

TEST_F(GgufTokenizer, BothSpellingsOfMergesAreRead) {
  const auto spelled = [&] {
    const Gguf gguf = write();
    const auto merges = gguf.texts("tokenizer.ggml.merges");
    return std::vector<std::string>(merges.begin(), merges.end());
  };
  const auto first = spelled();
  json& merges = file["model"]["merges"];
  for (json& merge : merges) {
    if (merge.is_string()) {
      const auto text = merge.get<std::string>();
      merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
    } else {
      merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    }
  }
  EXPECT_EQ(spelled(), first);
  merges = json::array({json::array({"a b", "c"})});
  expect_mentions(refused(), {"here", "space"});
}

TEST_F(GgufTokenizer, TokensAroundATextGoAlong) {
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<|endoftext|>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", json::array()},
      {"special_tokens",
       {{"<|endoftext|>",
         {{"id", "<|endoftext|>"}, {"ids", {0}}, {"tokens", {"<|endoftext|>"}}}}}}};
  files["tokenizer_config.json"] = R"({"eos_token":"<|endoftext|>","bos_token":"<|endoftext|>",
    "chat_template":"{{ messages[0].content }}"})";
  const Gguf gguf = write();
  EXPECT_EQ(gguf.find("tokenizer.ggml.add_bos_token")->integer, 1);
  EXPECT_EQ(gguf.text("tokenizer.chat_template"), "{{ messages[0].content }}");
  const SideFiles back = side_files(folder / "x.gguf");
  const Tokenizer tokenizer = Tokenizer::parse(back, "x.gguf");
  EXPECT_EQ(tokenizer.encode("a").front(), 0);
  EXPECT_EQ(tokenizer.encode_as_data("a").size() + 1, tokenizer.encode("a").size());
  EXPECT_EQ(json::parse(back.at("tokenizer_config.json"))["chat_template"],
            "{{ messages[0].content }}");
  files["chat_template.jinja"] = "of its own file";
  EXPECT_EQ(write().text("tokenizer.chat_template"), "of its own file");
}

TEST_F(GgufTokenizer, WhatLlamaCppDoesNotHaveIsNamed) {
  const json good = file;
  file["pre_tokenizer"] = {{"type", "Digits"}, {"individual_digits", true}};
  expect_mentions(refused(), {"here", "cuts text", "falcon", "gpt-2"});
  EXPECT_STREQ(gguf_cut_name(file, "here", "falcon-h1"), "falcon-h1");
  file = good;
  file["model"]["ignore_merges"] = true;
  expect_mentions(refused(), {"cuts text"});
  file["model"] = {{"type", "Unigram"}, {"vocab", json::array()}, {"merges", json::array()}};
  expect_mentions(refused(), {"Unigram", "BPE"});
  file = good;
  expect_mentions(refused(100), {"100 rows"});
  files.erase("tokenizer.json");
  GgufMetadata metadata;
  expect_mentions(message_of([&] { add_gguf_tokenizer(files, "here", {.vocab = 640}, metadata); }),
                  {"here", "no tokenizer.json", "copy"});
}

TEST_F(GgufTokenizer, Gpt2sWayOfCuttingIsKnown) {
  file["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  EXPECT_EQ(write().text("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_NO_THROW(Tokenizer::parse(side_files(folder / "x.gguf"), "x.gguf"));
}

TEST_F(GgufTokenizer, WaysOfCuttingHaveLlamaCppsNames) {
  const char* const llama3 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  file["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"},
                              {"pattern", {{"Regex", llama3}}},
                              {"behavior", "Isolated"},
                              {"invert", false}},
                             {{"type", "ByteLevel"},
                              {"add_prefix_space", false},
                              {"trim_offsets", true},
                              {"use_regex", false}}}}};
  EXPECT_EQ(write().text("tokenizer.ggml.pre"), "dbrx");
  file["model"]["ignore_merges"] = true;
  EXPECT_EQ(write().text("tokenizer.ggml.pre"), "llama-bpe");
  const json back = json::parse(side_files(folder / "x.gguf").at("tokenizer.json"));
  EXPECT_EQ(back["model"]["ignore_merges"], true);
  EXPECT_EQ(back["pre_tokenizer"], file["pre_tokenizer"]);
}

// As llama.cpp takes it where a file says no more than the name.
TEST_F(GgufTokenizer, ACutSaysWhetherTextsHaveABeginning) {
  for (const auto& [cut, begins] :
       {std::pair("falcon-h1", true), {"llama-bpe", true}, {"dbrx", false}}) {
    GgufMetadata metadata;
    metadata.add("tokenizer.ggml.model", "gpt2");
    metadata.add("tokenizer.ggml.pre", cut);
    metadata.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "<s>"});
    metadata.add("tokenizer.ggml.token_type", std::vector<int32_t>{1, 1, 3});
    metadata.add("tokenizer.ggml.merges", std::vector<std::string>{});
    metadata.add("tokenizer.ggml.bos_token_id", uint32_t{2});
    GgufWriter(folder / "x.gguf", {}, metadata).commit();
    const json back = json::parse(side_files(folder / "x.gguf").at("tokenizer.json"));
    EXPECT_EQ(back["post_processor"].is_null(), !begins) << cut;
  }
}

TEST_F(GgufTokenizer, PiecesHaveScores) {
  const char* const s = "\u2581";
  const std::string space = s;
  files["tokenizer_config.json"] = "{}";
  file["pre_tokenizer"] = nullptr;
  file["post_processor"] = nullptr;
  file["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Prepend"}, {"prepend", space}},
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space}}}}};
  file["decoder"] = nullptr;
  file["added_tokens"] = json::array();
  json vocab = {{"<unk>", 0}};
  for (int byte = 0; byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = 1 + byte;
  int next = 257;
  for (const std::string& token :
       {space, std::string("a"), std::string("b"), std::string("c"), std::string("ab"),
        space + "ab", std::string("bc"), std::string("abc")})
    vocab[token] = next++;
  file["model"] = {
      {"type", "BPE"},    {"byte_fallback", true},
      {"fuse_unk", true}, {"unk_token", "<unk>"},
      {"vocab", vocab},   {"merges", json::array({"b c", "a b", space + " ab", "a bc"})}};
  const Gguf gguf = write();
  EXPECT_EQ(gguf.text("tokenizer.ggml.model"), "llama");
  EXPECT_EQ(gguf.find("tokenizer.ggml.add_space_prefix")->integer, 1);
  EXPECT_EQ(gguf.find("tokenizer.ggml.merges"), nullptr);
  EXPECT_EQ(gguf.find("tokenizer.ggml.token_type")->integer_at(1), 6) << "a byte";
  EXPECT_EQ(gguf.find("tokenizer.ggml.token_type")->integer_at(0), 2) << "the unknown one";
  const Tokenizer there = Tokenizer::parse({{"tokenizer.json", file.dump()}}, "tokenizer.json");
  SideFiles read = side_files(folder / "x.gguf");
  read["tokenizer_config.json"] = R"({"add_bos_token": false})";
  const Tokenizer back = Tokenizer::parse(read, "x.gguf");
  for (const char* text : {"abc", "ab abc", "  a", "x\xc3\xa9 bc", "cabab"}) {
    EXPECT_EQ(back.encode(text), there.encode(text)) << text;
    EXPECT_EQ(back.decode(back.encode(text)), text);
  }
  file["normalizer"] = {{"type", "NFKC"}};
  expect_mentions(refused(), {"NFKC"});
}

TEST_F(GgufTokenizer, HostileMetadataIsRefused) {
  const auto opened = [&](const GgufMetadata& metadata) {
    GgufWriter(folder / "y.gguf", {}, metadata).commit();
    return message_of([&] { side_files(folder / "y.gguf"); });
  };
  GgufMetadata twice, beyond, other;
  for (GgufMetadata* metadata : {&twice, &beyond}) {
    metadata->add("tokenizer.ggml.model", "gpt2");
    metadata->add("tokenizer.ggml.pre", "falcon");
    metadata->add("tokenizer.ggml.merges", std::vector<std::string>{});
  }
  twice.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "a"});
  expect_mentions(opened(twice), {"\"a\" twice"});
  beyond.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  beyond.add("tokenizer.ggml.eos_token_id", uint32_t{9});
  expect_mentions(opened(beyond), {"eos_token", "9"});
  other.add("tokenizer.ggml.model", "llama");
  other.add("tokenizer.ggml.tokens", std::vector<std::string>{"a"});
  expect_mentions(opened(other), {"tokenizer.ggml.scores", "1 token"});
  GgufMetadata bert;
  bert.add("tokenizer.ggml.model", "bert");
  bert.add("tokenizer.ggml.tokens", std::vector<std::string>{"a"});
  expect_mentions(opened(bert), {"\"bert\"", "gpt2", "llama"});
}

TEST_F(GgufTokenizer, FalconsOwnIsTheSameToTheLastToken) {
  SKIP_WITHOUT_GOLDEN("tokenizer");
  files = side_files(golden("tokenizer"));
  file = json::parse(files["tokenizer.json"]);
  const Gguf gguf = write(65024);
  EXPECT_EQ(gguf.texts("tokenizer.ggml.merges").size(), 64784u);
  const json back = json::parse(side_files(folder / "x.gguf").at("tokenizer.json"));
  EXPECT_EQ(back["model"]["vocab"], file["model"]["vocab"]);
  EXPECT_EQ(back["model"]["merges"], file["model"]["merges"]);
}

TEST(SideFiles, ATemplateOfOursBeginsAsTheTokenizerDoes) {
  const std::string ours = std::string(kPlaceOfBegin) + "T";
  const json begin = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}};
  const json several = {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, begin}}};
  const auto made = [](const json& processor, const json& config, const std::string& source) {
    SideFiles files = {{"tokenizer_config.json", config.dump()}};
    if (!processor.is_null()) files["tokenizer.json"] = json{{"post_processor", processor}}.dump();
    return with_chat_template(files, source)["chat_template.jinja"];
  };
  const json named = {{"bos_token", "<s>"}};
  EXPECT_EQ(made(begin, named, ours), "{{ bos_token }}T");
  EXPECT_EQ(made(several, named, ours), "{{ bos_token }}T");
  EXPECT_EQ(made(json::object(), named, ours), "T");
  EXPECT_EQ(made(begin, json::object(), ours), "T") << "no name to write";
  EXPECT_EQ(made(nullptr, {{"bos_token", "<s>"}, {"add_bos_token", true}}, ours),
            "{{ bos_token }}T");
  EXPECT_EQ(made(begin, named, "T"), "T") << "a checkpoint's own";
}

}  // namespace
}  // namespace falconer::test
