#include "text/prompt.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace falconer::test {
namespace {

std::string rendered(const char* style, const std::string& instruction,
                     const std::string& input = "") {
  return PromptStyle::named(style)
      .render(Conversation::of(instruction, input), 1, true, {{"eos_token", "</s>"}})
      .text();
}

TEST(PromptStyle, AlpacaByteForByte) {
  const std::string colon =
      "Below is an instruction that describes a task, paired with an input that provides further "
      "context. Write a response that appropriately completes the request.\n\n### "
      "Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:";
  EXPECT_EQ(rendered("alpaca-colon", "Add.", "1 2"), colon);
  EXPECT_EQ(rendered("alpaca", "Add.", "1 2"), colon + "\n");
  EXPECT_EQ(rendered("alpaca", "Add."),
            "Below is an instruction that describes a task. Write a response that appropriately "
            "completes the request.\n\n### Instruction:\nAdd.\n\n### Response:\n");
}

TEST(PromptStyle, Others) {
  EXPECT_EQ(rendered("falcon-instruct", "Hi"), "User: Hi\nAssistant:");
  EXPECT_EQ(rendered("raw", "Hi"), "Hi");
  EXPECT_EQ(rendered("falcon", "Hi"), "User: Hi\nFalcon:");
}

TEST(PromptStyle, AnUnknownNameListsTheNames) {
  expect_mentions(message_of([] { PromptStyle::named("alpacca"); }),
                  {"alpacca", "falcon-instruct"});
}

}  // namespace
}  // namespace falconer::test
