// tokenizer.model alone: as transformers' LlamaTokenizer takes it, and by its own settings.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/log.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "text/sentencepiece_file.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}
std::string text_field(uint64_t number, const std::string& text) {
  return varint(number << 3 | 2) + varint(text.size()) + text;
}
std::string number_field(uint64_t number, uint64_t value) {
  return varint(number << 3) + varint(value);
}
std::string piece(const std::string& text, float score, uint64_t type = 1) {
  std::string bytes = text_field(1, text) + varint(2 << 3 | 5);
  const auto bits = std::bit_cast<uint32_t>(score);
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(bits >> (8 * i)));
  return text_field(1, bytes + number_field(3, type));
}

/// <unk> <s> </s> \u2581 a b ab \u2581a <usr> <ctl>; the later of the merges has the better score.
std::string pieces() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("\u2581", -3) +
         piece("a", -3) + piece("b", -3) + piece("ab", -2) + piece("\u2581a", -1) +
         piece("<usr>", 0, 4) + piece("<ctl>", 0, 3);
}
std::string model_of(uint64_t kind, bool fallback = false) {
  return pieces() + text_field(2, number_field(3, kind) + number_field(35, fallback)) +
         text_field(3, number_field(4, 0));
}

Tokenizer tokenizer_of(const std::string& model, const json& config) {
  const LogLevelHere quiet(LogLevel::kQuiet);
  return Tokenizer::parse({{"tokenizer.model", model}, {"tokenizer_config.json", config.dump()}},
                          "tokenizer.model");
}

TEST(SentencePieceFile, AsLlamasClassMergesByIdsAndPutsBosWhereAsked) {
  const std::string model = model_of(2);
  json config = {{"tokenizer_class", "LlamaTokenizer"}};
  EXPECT_EQ(tokenizer_of(model, config).encode("ab"), (Ids{3, 6}));
  config["add_bos_token"] = true;
  config["add_eos_token"] = true;
  const Tokenizer tokenizer = tokenizer_of(model, config);
  EXPECT_EQ(tokenizer.encode("ab<ctl> a<usr>"), (Ids{1, 3, 6, 9, 7, 8, 2}));
  EXPECT_EQ(tokenizer.decode(Ids{3, 6, 7}), "ab a");
  EXPECT_TRUE(tokenizer.is_special(9) && !tokenizer.is_special(8));
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2) << "though tokenizer_config.json names none";
  EXPECT_EQ(tokenizer.special_names().at("eos_token"), "</s>");
}

TEST(SentencePieceFile, ByItsOwnSettingsMergesByScores) {
  EXPECT_EQ(tokenizer_of(model_of(2), json::object()).encode("ab"), (Ids{7, 5}));
  EXPECT_EQ(tokenizer_of(model_of(1), json::object()).encode("ab"), (Ids{7, 5})) << "Unigram";
  EXPECT_EQ(tokenizer_of(model_of(2), json::object()).encode("a<usr>b"), (Ids{7, 8, 5}));
}

TEST(SentencePieceFile, AFolderWithItAloneIsOneOfATokenizer) {
  const TempFolder folder;
  write_file(folder / "tokenizer.model", model_of(2));
  EXPECT_TRUE(Tokenizer::is_in(folder.path()));
  const LogLevelHere warnings(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("a"), Ids{7});
  expect_mentions(testing::internal::GetCapturedStderr(), {"add_bos_token", "<s>"});
}

TEST(SentencePieceFile, ErrorsNameWhatIsWrong) {
  const auto refused = [](const std::string& model, const json& config,
                          std::initializer_list<const char*> parts) {
    expect_mentions(message_of([&] { tokenizer_of(model, config); }), parts);
  };
  const std::string good = model_of(2);
  for (size_t length = 1; length < good.size(); ++length) try {
      tokenizer_of(good.substr(0, length), json::object()).encode("a <usr>");
    } catch (const Error&) {  // behind a whole piece it may be one
    }
  refused(good.substr(0, 20), json::object(), {"tokenizer.model", "breaks off"});
  refused("IQ== 0\nIg== 1\n", json::object(), {"tiktoken", "save_pretrained"});
  refused(good + piece("ab", -1), json::object(), {"\"ab\"", "twice"});
  refused(good + piece("c", NAN), json::object(), {"piece 10", "score"});
  refused(good + piece("\xC3", 0), json::object(), {"piece 10", "UTF-8"});
  refused(model_of(3), json::object(), {"kind 3", "BPE and Unigram"});
  refused(good, {{"tokenizer_class", "GemmaTokenizer"}}, {"GemmaTokenizer", "save_pretrained"});
  refused(good, {{"added_tokens_decoder", {{"8", {{"content", "<|tool|>"}}}}}},
          {"<|tool|>", "<usr>", "save_pretrained"});
  refused(good + text_field(3, text_field(2, "table")), json::object(), {"precompiled_charsmap"});
  const std::string beyond("\x08\0\0\0\0\0\0\0\0\0\0\0", 12);
  EXPECT_EQ(tokenizer_of(good + text_field(3, text_field(2, beyond)), json::object()).encode("ab"),
            (Ids{7, 5}))
      << "a table without anything";
}

}  // namespace
}  // namespace falconer::test
