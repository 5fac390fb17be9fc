#include "serve/formats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "support/paths.h"

namespace falconer::serve {
namespace {

class ResponseFormats : public ::testing::Test {
 protected:
  std::vector<std::string> allowed_texts(const TokenMask& mask, size_t rows) const {
    std::vector<bool> allowed(rows);
    mask.allowed(allowed);
    std::vector<std::string> texts;
    for (size_t id = 0; id < rows; ++id)
      if (allowed[id])
        texts.push_back(id < static_cast<size_t>(tokenizer_->vocab_size())
                            ? tokenizer_->token_bytes(static_cast<int32_t>(id))
                            : "beyond");
    return texts;
  }
  void push(TokenMask& mask, const std::string& text) const {
    for (const int32_t id : tokenizer_->encode(text)) mask.push(id);
  }

  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<const Tokenizer>(
      Tokenizer::load(std::filesystem::path(source_dir()) / "demo" / "checkpoint"));
  AnswerFormats formats_;
};

TEST_F(ResponseFormats, AnObjectBeginsAndEndsAsOne) {
  const auto grammar =
      formats_.find({.kind = AskedFormat::Kind::kJsonObject, .schema = {}}, tokenizer_);
  const int32_t end = *tokenizer_->eos_id();
  const auto mask = mask_of(grammar, {end});
  for (const std::string& text : allowed_texts(*mask, 640))
    EXPECT_TRUE(text.find_first_not_of(" \n") == text.npos ||
                text[text.find_first_not_of(" \n")] == '{')
        << text;
  push(*mask, R"({"a": [1, "b"]})");
  EXPECT_EQ(allowed_texts(*mask, 640), std::vector<std::string>{tokenizer_->token_bytes(end)});
}

TEST_F(ResponseFormats, AnEndThatIsATextEndsNoneWithinItsJson) {
  const AskedFormat format{.kind = AskedFormat::Kind::kJsonSchema,
                           .schema = Json::parse(R"({"enum": ["a", "aa"]})")};
  const auto grammar = formats_.find(format, tokenizer_);
  const int32_t text = tokenizer_->encode("a").front();
  const auto mask = mask_of(grammar, {text, *tokenizer_->eos_id()});
  push(*mask, "\"a");
  const std::vector<std::string> within = allowed_texts(*mask, 640);
  EXPECT_EQ(std::count(within.begin(), within.end(), "a"), 0);
  EXPECT_EQ(std::count(within.begin(), within.end(), "\""), 1);
}

TEST_F(ResponseFormats, ASchemaThatIsNotSupportedSaysWhere) {
  const AskedFormat format{.kind = AskedFormat::Kind::kJsonSchema,
                           .schema = Json::parse(R"({"properties": {"a": {"not": {}}}})")};
  try {
    formats_.find(format, tokenizer_);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "the JSON schema: at /properties/a: \"not\" is not supported; leave it out, or say "
        "it in the prompt");
  }
}

TEST_F(ResponseFormats, AnswersWithOneFormatShareIt) {
  const AskedFormat format{.kind = AskedFormat::Kind::kJsonObject, .schema = {}};
  EXPECT_EQ(formats_.find(format, tokenizer_), formats_.find(format, tokenizer_));
  const auto other = std::make_shared<const Tokenizer>(
      Tokenizer::load(std::filesystem::path(source_dir()) / "demo" / "checkpoint"));
  EXPECT_NE(formats_.find(format, tokenizer_), formats_.find(format, other));
  EXPECT_EQ(formats_.find({}, tokenizer_), nullptr);
}

}  // namespace
}  // namespace falconer::serve
