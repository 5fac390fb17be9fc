#include "text/prompt.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace falconer::test {
namespace {

TEST(PromptStyle, AlpacaByteForByte) {
  const std::string colon =
      "Below is an instruction that describes a task, paired with an input that provides further "
      "context. Write a response that appropriately completes the request.\n\n### "
      "Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:";
  EXPECT_EQ(PromptStyle::named("alpaca-colon").render("Add.", "1 2"), colon);
  EXPECT_EQ(PromptStyle::named("alpaca").render("Add.", "1 2"), colon + "\n");
  EXPECT_EQ(PromptStyle::named("alpaca").render("Add."),
            "Below is an instruction that describes a task. Write a response that appropriately "
            "completes the request.\n\n### Instruction:\nAdd.\n\n### Response:\n");
}

TEST(PromptStyle, Others) {
  EXPECT_EQ(PromptStyle::named("falcon-instruct").render("Hi"), "User: Hi\nAssistant:");
  EXPECT_EQ(PromptStyle::named("raw").render("Hi"), "Hi");
}

TEST(PromptStyle, AnUnknownNameListsTheNames) {
  expect_mentions(message_of([] { PromptStyle::named("alpacca"); }),
                  {"alpacca", "falcon-instruct"});
}

}  // namespace
}  // namespace falconer::test
