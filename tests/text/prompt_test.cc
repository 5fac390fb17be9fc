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

std::string conversation_in(const char* style, bool system, size_t count, bool prompt) {
  Conversation talk;
  const auto say = [&](const char* role, const char* text) {
    talk.messages.push_back({.role = role, .content = text, .input = {}, .more = {}});
  };
  if (system) say("system", "S");
  for (const auto& [role, text] : {std::pair("user", "a"), {"assistant", "b"}, {"user", "c"}})
    if (count-- > 0) say(role, text);
  return PromptStyle::named(style)
      .render(talk, talk.messages.size(), prompt, {{"eos_token", "</s>"}, {"bos_token", "<s>"}})
      .text();
}

TEST(PromptStyle, FormatsOfFamilies) {
  EXPECT_EQ(conversation_in("llama2", true, 3, true),
            "[INST] <<SYS>>\nS\n<</SYS>>\n\na [/INST] b</s><s>[INST] c [/INST]");
  EXPECT_EQ(conversation_in("mistral", true, 3, true), "[INST] S\n\na[/INST] b</s>[INST] c[/INST]");
  EXPECT_EQ(conversation_in("llama3", true, 2, false),
            "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|>");
  EXPECT_EQ(conversation_in("gemma", true, 3, true),
            "<start_of_turn>user\nS\n\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n"
            "<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(conversation_in("vicuna", true, 3, true),
            "S USER: a ASSISTANT: b</s> USER: c ASSISTANT:");
  EXPECT_EQ(
      rendered("vicuna", "Hi"),
      "A chat between a curious user and an artificial intelligence assistant. The assistant "
      "gives helpful, detailed, and polite answers to the user's questions. USER: Hi ASSISTANT:");
  EXPECT_EQ(conversation_in("chatml", false, 2, false),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n");
}

// What LitGPT 0.5.13's styles of these names make of a question.
TEST(PromptStyle, FormatsOfFamiliesAsLitGpt) {
  EXPECT_EQ(rendered("falcon3", "Hi"), "<|user|>\nHi</s>\n<|assistant|>\n");
  EXPECT_EQ(rendered("gemma", "Hi"),
            "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(
      rendered("phi-3", "Hi"),
      "<|system|>\nYou are a helpful assistant.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n");
  EXPECT_EQ(rendered("llama3", "Hi"),
            "<|start_header_id|>system<|end_header_id|>\n\nYou are a helpful assistant.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n")
      << "begin-of-text is what the tokenizer puts there";
}

TEST(PromptStyle, AnUnknownNameListsTheNames) {
  expect_mentions(message_of([] { PromptStyle::named("alpacca"); }),
                  {"alpacca", "falcon-instruct"});
}

TEST(ChatTemplates, AreReadAsTransformersReadsThemAndNothingElseInTheirPlace) {
  const auto files = [](const std::string& value) {
    return TemplateFiles({{"tokenizer_config.json", "{\"chat_template\": " + value + "}"}}, "here");
  };
  for (const char* value :
       {R"("x")", R"([{"name": "default", "template": "x"}])",
        R"([{"name": "default", "template": "w"}, {"name": "tool_use", "template": "y"},
                                {"name": "default", "template": "x"}])",
        R"({"default": "x", "tool_use": "y"})"})
    EXPECT_EQ(PromptStyle::chat_template(files(value)), "x") << value;
  EXPECT_EQ(
      PromptStyle::of_checkpoint("chat:tool_use", files(R"({"default": "x", "tool_use": "y"})"))
          .source(),
      "y");
  EXPECT_FALSE(PromptStyle::has_chat_template(files("null")));
  EXPECT_FALSE(PromptStyle::has_chat_template(files(R"([{"name": "other", "template": "x"}])")));
  for (const auto& [value, what] :
       {std::pair("5", "is 5"),
        {"true", "is true"},
        {"2.5", "is 2.5"},
        {R"(["x"])", "holds \"x\" without a name"},
        {R"([{"name": "default"}])", "without a name and a template"},
        {R"([{"template": "x"}])", "without a name and a template"},
        {R"([{"name": 3, "template": "x"}])", "without a name and a template"},
        {R"([{"name": "default", "template": null}])", "has null as the template \"default\""},
        {R"({"default": 7})", "has 7 as the template \"default\""},
        {R"({"default": {"template": "x"}})", "has an object as"}}) {
    expect_mentions(message_of([&, v = value] { PromptStyle::has_chat_template(files(v)); }),
                    {"here", "\"chat_template\"", what, "expected a template's text"});
    // A file of its own counts in its place.
    EXPECT_EQ(PromptStyle::chat_template(TemplateFiles(
                  {{"tokenizer_config.json", std::string("{\"chat_template\": ") + value + "}"},
                   {"chat_template.jinja", "j"}},
                  "here")),
              "j");
  }
}

}  // namespace
}  // namespace falconer::test
