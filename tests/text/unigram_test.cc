// The best way to write a text by the scores of its tokens, and what is done with characters that have none.
#include "text/unigram.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/errors.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

Tokenizer unigram(const json& vocab, const json& more = json::object()) {
  json model = {{"type", "Unigram"}, {"vocab", vocab}, {"unk_id", 0}};
  model.update(more);
  const json file = {{"model", model}, {"decoder", {{"type", "Fuse"}}}};
  return Tokenizer::parse({{"tokenizer.json", file.dump()}}, "tokenizer.json");
}

json tokens_of(std::initializer_list<std::pair<const char*, double>> tokens) {
  json vocab = json::array();
  for (const auto& [text, score] : tokens) vocab.push_back({text, score});
  return vocab;
}

TEST(Unigram, TheHighestSumCounts) {
  const json vocab = tokens_of({{"<unk>", 0}, {"a", -1}, {"b", -2}, {"ab", -4}, {"aab", -3.5}});
  EXPECT_EQ(unigram(vocab).encode("ab"), (Ids{1, 2})) << "-3 and not -4";
  EXPECT_EQ(unigram(vocab).encode("aab"), (Ids{4})) << "-3.5 and not -4";
  EXPECT_EQ(unigram(vocab).encode(""), Ids());
}

// What `tokenizers` gives: of ways that are as good the one that is found first, the one with the longest last token.
TEST(Unigram, OfEqualsTheLongestLastTokenCounts) {
  const json vocab =
      tokens_of({{"<unk>", 0}, {"a", -1}, {"aa", -2}, {"aaa", -3}, {"b", -2}, {"ab", -3}});
  EXPECT_EQ(unigram(vocab).encode("aa"), (Ids{2}));
  EXPECT_EQ(unigram(vocab).encode("aaaa"), (Ids{1, 3}));
  EXPECT_EQ(unigram(vocab).encode("ab"), (Ids{5}));
}

TEST(Unigram, UnknownCharactersAreOneTokenTogether) {
  const json vocab = tokens_of({{"<unk>", 0}, {"a", -1}, {"<0xC3>", -9}, {"<0xA9>", -9}});
  EXPECT_EQ(unigram(vocab).encode("xya\u00E9zz"), (Ids{0, 1, 0}));
  EXPECT_EQ(unigram(vocab).encode("a<unk>a"), (Ids{1, 0, 1})) << "spelled, it is its own token";
  const Tokenizer bytes = unigram(vocab, {{"byte_fallback", true}});
  EXPECT_EQ(bytes.encode("a\u00E9a"), (Ids{1, 2, 3, 1}));
  EXPECT_EQ(bytes.encode("\u00E9z"), (Ids{0})) << "z has no byte: all of the run is unknown";
}

TEST(Unigram, OfTokensThatAreSpelledAlikeTheLastCounts) {
  const falconer::TokenTrie trie({{"ab", 1}, {"a", 2}, {"ab", 3}});
  EXPECT_EQ(trie.find("ab"), 3);
  EXPECT_EQ(trie.find("a"), 2);
  EXPECT_EQ(trie.find("abc"), -1);
  EXPECT_EQ(trie.find("b"), -1);
}

TEST(Unigram, ErrorsNameWhatIsWrong) {
  const json vocab = tokens_of({{"<unk>", 0}, {"a", -1}});
  const auto refused = [](const json& tokens, const json& more,
                          std::initializer_list<const char*> parts) {
    expect_mentions(message_of([&] { unigram(tokens, more).encode("b"); }), parts);
  };
  refused(vocab, {{"unk_id", nullptr}}, {"no token for \"b\"", "unk_id"});
  refused(vocab, {{"unk_id", 2}}, {"unk_id", "2"});
  refused(json::object(), json::object(), {"list of tokens"});
  refused({{"a", "high"}}, json::object(), {"high"});
  refused(tokens_of({{std::string(5000, 'a').c_str(), 0}}), json::object(), {"5000 bytes"});
  const json file = {{"model", {{"type", "Unigram"}, {"vocab", vocab}}},
                     {"pre_tokenizer", {{"type", "ByteLevel"}}},
                     {"decoder", {{"type", "ByteLevel"}}}};
  expect_mentions(message_of([&] {
                    Tokenizer::parse({{"tokenizer.json", file.dump()}}, "tokenizer.json");
                  }),
                  {"Unigram", "ByteLevel"});
}

}  // namespace
}  // namespace falconer::test
