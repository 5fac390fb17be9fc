#include "text/tokenizer.h"

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/errors.h"
#include "support/goldens.h"
#include "support/sanitized.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using nlohmann::json;

/// Byte-level BPE over all single bytes and the given merges, with `more` set on top.
json small_tokenizer(const std::vector<std::string>& merges, const json& more = json::object()) {
  json file = {
      {"added_tokens", json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", json::object()}, {"merges", merges}}}};
  auto& vocab = file["model"]["vocab"];
  for (char c = '!'; c <= '~'; ++c) vocab[std::string(1, c)] = vocab.size();
  vocab["\u0120"] = vocab.size();  // a space
  for (const auto& merge : merges) {
    std::string token = merge;
    token.erase(token.find(' '), 1);
    vocab[token] = vocab.size();
  }
  file.update(more);
  return file;
}

Tokenizer load(const TempFolder& folder, const json& file) {
  write_file(folder / "tokenizer.json", file.dump());
  return Tokenizer::load(folder.path());
}

/// The demo's, without its model's config.json.
Tokenizer demo_tokenizer() {
  const TempFolder folder;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    write_file(folder / name,
               read_text_file(std::string(source_dir()) + "/demo/checkpoint/" + name));
  return Tokenizer::load(folder.path());
}

std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> result;
  for (const int32_t id : tokenizer.encode(text)) result.push_back(tokenizer.token_bytes(id));
  return result;
}

using Strings = std::vector<std::string>;

class TokenizerGoldens : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerGoldens, EveryIdAndEveryCharacter) {
  SKIP_WITHOUT_GOLDEN(GetParam());
  const bool whole = std::filesystem::exists(golden(GetParam()) / "tokenizer.json");
  const Tokenizer tokenizer = whole ? Tokenizer::load(golden(GetParam())) : demo_tokenizer();
  int checked = 0;
  for (const char* name : {"cases.jsonl", "cases_llama_cpp.jsonl"}) {
    std::ifstream file(golden(GetParam()) / name);
    for (std::string line; std::getline(file, line); ++checked) {
      const json c = json::parse(line);
      const auto ids = c["ids"].get<std::vector<int32_t>>();
      EXPECT_EQ(tokenizer.encode(c["text"].get<std::string>()), ids) << c["text"];
      if (!c.contains("decoded")) continue;
      const auto decoded = c["decoded"].get<std::string>();
      EXPECT_EQ(tokenizer.decode(ids), decoded);
      EXPECT_EQ(tokenizer.decode(ids, true), c.value("decoded_skip_special", decoded));
      StreamDecoder stream(tokenizer, false);
      std::string streamed;
      for (const int32_t id : ids) streamed += stream.push(id);
      EXPECT_EQ(streamed + stream.finish(), decoded);
    }
  }
  EXPECT_GT(checked, 100);
}
INSTANTIATE_TEST_SUITE_P(All, TokenizerGoldens,
                         ::testing::Values("tokenizer", "tokenizer_tiny", "tokenizer_demo"),
                         [](const auto& which) { return std::string(which.param); });

TEST(Tokenizer, MergesTheEarliestLearnedPairFirst) {
  const TempFolder folder;
  const Tokenizer tokenizer = load(folder, small_tokenizer({"b c", "a b", "ab c"}));
  EXPECT_EQ(pieces(tokenizer, "abc"), (Strings{"a", "bc"}));
  EXPECT_EQ(pieces(tokenizer, "ab abab"), (Strings{"ab", " ", "ab", "ab"}));
}

TEST(Tokenizer, LongPiecesMergeAsShortOnes) {
  const TempFolder folder;
  const Tokenizer tokenizer = load(folder, small_tokenizer({"a b", "b a", "ab ab", "a a"}));
  std::string text;
  for (uint32_t i = 0; i < 400; ++i) text += (i * i * 2654435761u >> 7) % 3 == 0 ? 'b' : 'a';
  // One character at a time beyond the length where the method changes.
  for (const size_t length : {30u, 31u, 32u, 33u, 34u, 200u}) {
    Strings split = pieces(tokenizer, text.substr(0, length));
    std::string joined;
    for (const auto& piece : split) joined += piece;
    EXPECT_EQ(joined, text.substr(0, length));
    if (length > 32) continue;
    // The definition: scan for the lowest rank, merge the leftmost, again.
    Strings slow;
    for (size_t i = 0; i < length; ++i) slow.emplace_back(1, text[i]);
    const Strings ranks = {"ab", "ba", "abab", "aa"};
    const std::vector<std::pair<std::string, std::string>> sides = {
        {"a", "b"}, {"b", "a"}, {"ab", "ab"}, {"a", "a"}};
    for (bool merged = true; merged;) {
      merged = false;
      for (size_t rank = 0; rank < sides.size() && !merged; ++rank)
        for (size_t i = 0; i + 1 < slow.size() && !merged; ++i)
          if (slow[i] == sides[rank].first && slow[i + 1] == sides[rank].second) {
            slow[i] = ranks[rank];
            slow.erase(slow.begin() + static_cast<int64_t>(i) + 1);
            merged = true;
          }
    }
    EXPECT_EQ(split, slow);
  }
}

TEST(Tokenizer, AMegabyteOfOneLetterTakesLessThanASecond) {
  const TempFolder folder;
  std::vector<std::string> merges;  // twice as many letters each time
  for (size_t n = 1; n <= 512; n *= 2)
    merges.push_back(std::string(n, 'a') + " " + std::string(n, 'a'));
  std::vector<Tokenizer> tokenizers;
  tokenizers.push_back(load(folder, small_tokenizer(merges)));
  if (std::filesystem::exists(golden("tokenizer")))  // Falcon's, with ten thousands of merges
    tokenizers.push_back(Tokenizer::load(golden("tokenizer")));
  const std::string text(1 << 20, 'a');
  for (const Tokenizer& tokenizer : tokenizers) {
    const std::clock_t begin = std::clock();  // of this process: others may compute beside it
    const auto ids = tokenizer.encode(text);
    const double taken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    EXPECT_EQ(tokenizer.decode(ids), text);
    EXPECT_LT(ids.size(), text.size() / 2);
    EXPECT_LT(taken, kSanitized ? 60 : 1);
  }
}

TEST(Tokenizer, GptNeoxKind) {
  const TempFolder folder;
  const json spaces = {{"id", 95}, {"content", "   "}, {"special", false}, {"normalized", true}};
  const Tokenizer tokenizer = load(
      folder, small_tokenizer({}, {{"normalizer", {{"type", "NFC"}}}, {"added_tokens", {spaces}}}));
  EXPECT_EQ(tokenizer.encode("a   b"), (std::vector<int32_t>{64, 95, 65}));
  EXPECT_TRUE(tokenizer.encode("e\u0301").empty()) << "NFC makes one character of it, not e";
}

// Keeps out defect 25 of docs/defects.md: the tokenizer says itself that texts begin with <s>.
TEST(Tokenizer, Llama3Kind) {
  const TempFolder folder;
  const json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "\\p{N}{1,3}|[^\\s\\p{N}]+| ?\\s+"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const json start = {{"id", 98}, {"content", "<s>"}, {"special", true}};
  json file = small_tokenizer(
      {"1 2", "12 3", "123 4"},
      {{"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}}},
       {"added_tokens", {start}},
       {"post_processor",
        {{"type", "TemplateProcessing"},
         {"single",
          {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
           {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
         {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {98}}, {"tokens", {"<s>"}}}}}}}}});
  const Tokenizer tokenizer = load(folder, file);
  EXPECT_EQ(pieces(tokenizer, "12345"), (Strings{"<s>", "123", "4", "5"}));

  file["model"]["ignore_merges"] = true;
  file["model"]["merges"] = json::array();
  const Tokenizer whole = load(folder, file);
  EXPECT_EQ(pieces(whole, "12345"), (Strings{"<s>", "123", "4", "5"}));
}

TEST(Tokenizer, SpecialTokensInDataAreText) {
  const Tokenizer tokenizer = demo_tokenizer();
  EXPECT_EQ(tokenizer.encode("<|endoftext|>"), std::vector<int32_t>{0});
  const auto ids = tokenizer.encode_as_data("<|endoftext|>");
  EXPECT_GT(ids.size(), 1u);
  EXPECT_EQ(tokenizer.decode(ids, true), "<|endoftext|>");
  EXPECT_EQ(tokenizer.eos_id(), 0);
  EXPECT_EQ(tokenizer.bos_id(), std::nullopt);
}

TEST(Tokenizer, StreamsWholeCharacters) {
  const Tokenizer tokenizer = demo_tokenizer();
  StreamDecoder stream(tokenizer);
  std::string text;
  for (const int32_t id : tokenizer.encode("Füße 🦅!")) {
    const std::string part = stream.push(id);
    EXPECT_EQ(part.find("\xEF\xBF\xBD"), std::string::npos);
    text += part;
  }
  EXPECT_EQ(text + stream.finish(), "Füße 🦅!");
  stream.push(tokenizer.encode("🦅")[0]);  // its first byte alone
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
}

TEST(Tokenizer, ErrorsNameTheFileAndWhatIsWrong) {
  const TempFolder folder;
  expect_mentions(message_of([&] { Tokenizer::load(folder.path()); }), {"no tokenizer.json"});
  write_file(folder / "tokenizer.json", "{");
  expect_mentions(message_of([&] { Tokenizer::load(folder.path()); }), {"tokenizer.json"});
  const auto refused = [&](const json& more, std::initializer_list<const char*> parts) {
    const json file = small_tokenizer({"a b"}, more);
    expect_mentions(message_of([&] { load(folder, file); }), parts);
  };
  refused(
      {{"model", {{"type", "WordPiece"}, {"vocab", json::object()}, {"merges", json::array()}}}},
      {"tokenizer.json", "WordPiece", "BPE and Unigram"});
  refused({{"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "_"}}}},
          {"decoder is ByteLevel", "Metaspace"});
  refused({{"pre_tokenizer", {{"type", "UnicodeScripts"}}}}, {"UnicodeScripts"});
  refused({{"normalizer", {{"type", "BertNormalizer"}}}}, {"BertNormalizer"});
  refused({{"decoder", nullptr}}, {"decoder"});
  json unknown = small_tokenizer({"a b"});
  unknown["model"]["merges"].push_back("ab zz");
  expect_mentions(message_of([&] { load(folder, unknown); }), {"merge 2", "zz"});
  const Tokenizer tokenizer = load(folder, small_tokenizer({}));
  const std::vector<int32_t> beyond = {5000};
  expect_mentions(message_of([&] { tokenizer.decode(beyond); }), {"5000"});
}

}  // namespace
}  // namespace falconer::test
