#include "text/grammar/token_grammar.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/errors.h"
#include "support/paths.h"
#include "text/grammar/json_grammar.h"
#include "text/grammar/random_schema.h"
#include "text/grammar/schema_validator.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using grammar::TokenGrammar;
using grammar::TokenPlace;
using grammar::TokenTrie;
using Json = nlohmann::ordered_json;

const Tokenizer& demo_words() {
  static const Tokenizer tokenizer =
      Tokenizer::load(std::filesystem::path(source_dir()) / "demo" / "checkpoint");
  return tokenizer;
}

/// SentencePiece's kind: words with "▁", bytes as <0x0A>, no token for most characters.
const Tokenizer& word_pieces() {
  static const Tokenizer tokenizer = [] {
    nlohmann::json vocab = {{"<unk>", 0}, {"</s>", 1}};
    const auto add = [&](const std::string& token) { vocab.emplace(token, vocab.size()); };
    for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte));
    for (char c = '!'; c <= '~'; ++c) add(std::string(1, c));
    for (const char* token :
         {"▁", "▁{", "{\"", "\":", "▁\"", "\",", "é", "▁▁", "},", "nu", "ll", "12"})
      add(token);
    const nlohmann::json file = {
        {"added_tokens",
         {{{"id", 0}, {"content", "<unk>"}, {"special", true}},
          {{"id", 1}, {"content", "</s>"}, {"special", true}}}},
        {"normalizer",
         {{"type", "Sequence"},
          {"normalizers",
           {{{"type", "Prepend"}, {"prepend", "▁"}},
            {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}}},
        {"decoder",
         {{"type", "Sequence"},
          {"decoders",
           {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
            {{"type", "ByteFallback"}},
            {{"type", "Fuse"}},
            {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
        {"model",
         {{"type", "BPE"},
          {"vocab", vocab},
          {"merges", nlohmann::json::array()},
          {"unk_token", "<unk>"},
          {"byte_fallback", true},
          {"fuse_unk", true}}}};
    return Tokenizer::parse(
        {{"tokenizer.json", file.dump()}, {"tokenizer_config.json", R"({"eos_token": "</s>"})"}},
        "word pieces");
  }();
  return tokenizer;
}

struct NamedTokenizer {
  const char* name;
  const Tokenizer& (*tokenizer)();
};

class TokenGrammarOf : public testing::TestWithParam<NamedTokenizer> {
 protected:
  const Tokenizer& tokenizer() const { return GetParam().tokenizer(); }

  std::shared_ptr<TokenGrammar> grammar_of(const Json& schema) {
    if (trie_ == nullptr) trie_ = std::make_shared<const TokenTrie>(tokenizer());
    return std::make_shared<TokenGrammar>(grammar::json_schema_grammar(schema), trie_);
  }

  /// As many logits as a padded head has.
  std::vector<bool> allowed(const TokenPlace& place) const {
    std::vector<bool> result(static_cast<size_t>(tokenizer().vocab_size()) + 7);
    place.allowed(result);
    for (size_t id = static_cast<size_t>(tokenizer().vocab_size()); id < result.size(); ++id)
      EXPECT_FALSE(result[id]);
    EXPECT_FALSE(result[static_cast<size_t>(tokenizer().eos_id().value())]);
    return result;
  }

  /// A text drawn token by token; empty where it got too long.
  std::string walk(TokenPlace place, RandomSchemas& random) const {
    std::vector<int32_t> ids;
    while (ids.size() < 400) {
      const std::vector<bool> may = allowed(place);
      std::vector<int32_t> next, ending;
      for (size_t id = 0; id < may.size(); ++id) {
        if (!may[id]) continue;
        next.push_back(static_cast<int32_t>(id));
        const std::string bytes = tokenizer().token_bytes(next.back());
        if (bytes.find_first_of("\"}],") != std::string::npos) ending.push_back(next.back());
      }
      if (place.is_complete() && (next.empty() || random.chance(3))) return tokenizer().decode(ids);
      if (next.empty()) {
        ADD_FAILURE() << "stuck behind " << tokenizer().decode(ids);
        return {};
      }
      const auto& from = ending.empty() || random.chance(4) ? next : ending;
      ids.push_back(from[random.below(from.size())]);
      place.push(ids.back());
    }
    return {};
  }

  bool takes(TokenPlace place, const std::vector<int32_t>& ids) const {
    for (const int32_t id : ids) {
      if (!allowed(place)[static_cast<size_t>(id)]) return false;
      place.push(id);
    }
    return place.is_complete();
  }

 private:
  std::shared_ptr<const TokenTrie> trie_;
};

TEST_P(TokenGrammarOf, WalksFitTheSchemaAndWhatFitsIsAllowed) {
  RandomSchemas random(24);
  int walks = 0, values = 0;
  for (int round = 0; round < 60; ++round) {
    const Json schema = random.root();
    const SchemaValidator validator(schema);
    std::shared_ptr<TokenGrammar> grammar;
    try {
      grammar = grammar_of(schema);
    } catch (const Error&) {
      continue;  // no value fits
    }
    for (int i = 0; i < 3; ++i) {
      const std::string text = walk(TokenPlace(grammar), random);
      if (text.empty()) continue;
      ++walks;
      const Json parsed = Json::parse(text, nullptr, false);
      ASSERT_FALSE(parsed.is_discarded()) << text << "\n" << schema.dump();
      ASSERT_TRUE(validator.fits(parsed)) << text << "\n" << schema.dump();
    }
    for (int i = 0; i < 3; ++i) {
      const Json value = random.value(schema, schema);
      if (!validator.fits(value)) continue;
      ++values;
      for (const int indent : {-1, 2}) {
        const std::string text = value.dump(indent);
        if (text.find("\n" + std::string(21, ' ')) != std::string::npos) continue;
        ASSERT_TRUE(takes(TokenPlace(grammar), tokenizer().encode(text))) << text << "\n"
                                                                          << schema.dump();
      }
    }
  }
  EXPECT_GT(walks, 80);
  EXPECT_GT(values, 80);
}

TEST_P(TokenGrammarOf, NothingFollowsACompleteObject) {
  TokenPlace place(grammar_of(Json{{"type", "object"}}));
  for (const int32_t id : tokenizer().encode(R"({"a": [1, "}"]})")) {
    EXPECT_FALSE(place.is_complete());
    place.push(id);
  }
  const std::vector<bool> last = allowed(place);
  EXPECT_TRUE(place.is_complete());
  EXPECT_EQ(std::count(last.begin(), last.end(), true), 0);
  place.push(tokenizer().eos_id().value());
  EXPECT_FALSE(place.is_complete());
}

// A mask says of each token what its bytes say one after the other.
TEST_P(TokenGrammarOf, AllowsWhatItsBytesAllow) {
  const auto grammar = grammar_of(Json::parse(
      R"({"type":"object","properties":{"a":{"type":"string","maxLength":7},"b":{"type":"array","items":
          {"type":"number"}}},"required":["a"],"additionalProperties":{"type":"string"}})"));
  const std::vector<int32_t> ids = tokenizer().encode(
      "{\"a\": \"na\xC3\xAFve \\u00e9\", \"b\": [1.5, -2e3], \"c\": \"\xF0\x9F\x98\x80 long "
      "enough\"}");
  for (size_t count = 0; count <= ids.size(); count += 2) {
    TokenPlace place(grammar);
    for (size_t i = 0; i < count; ++i) place.push(ids[i]);
    const std::vector<bool> may = allowed(place);
    for (int32_t id = 0; id < tokenizer().vocab_size(); id += 5) {
      if (!tokenizer().has(id)) continue;
      TokenPlace other = place;
      other.push(id);
      const std::vector<bool> then = allowed(other);
      const bool alive =
          other.is_complete() || std::find(then.begin(), then.end(), true) != then.end();
      ASSERT_EQ(alive, may[static_cast<size_t>(id)]) << count << " " << tokenizer().token_bytes(id);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, TokenGrammarOf,
                         testing::Values(NamedTokenizer{"bytes", demo_words},
                                         NamedTokenizer{"pieces", word_pieces}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Answers go on where what was found out about a grammar is thrown away.
TEST(TokenGrammar, GoesOnWhereItsMemoryIsFull) {
  const auto grammar = std::make_shared<TokenGrammar>(
      grammar::json_schema_grammar(Json::parse(R"({"type":"string","maxLength":40000})")),
      std::make_shared<const TokenTrie>(demo_words()));
  TokenPlace place(grammar), late(grammar);
  std::vector<bool> may(static_cast<size_t>(demo_words().vocab_size()));
  const auto push = [&](TokenPlace& to, const char* text) {
    for (const int32_t id : demo_words().encode(text)) {
      to.allowed(may);
      ASSERT_TRUE(may[static_cast<size_t>(id)]);
      to.push(id);
    }
  };
  push(place, "\"");
  push(late, "\"hello");
  for (int i = 0; i < 6000; ++i) push(place, " a");
  push(late, " world\"");
  EXPECT_TRUE(late.is_complete());
  push(place, "\"");
  EXPECT_TRUE(place.is_complete());
  EXPECT_LT(grammar->bytes(), size_t{64} << 20);
}

}  // namespace
}  // namespace falconer::test
