#include "text/prompt.h"

#include "base/error.h"

namespace falconer {
namespace {

using Render = std::string (*)(std::string_view instruction, std::string_view input);

// The texts are Alpaca's own, byte for byte: models are trained on them everywhere.
constexpr std::string_view kWithInput =
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.";
constexpr std::string_view kWithoutInput =
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.";

std::string alpaca_colon(std::string_view instruction, std::string_view input) {
  std::string text(input.empty() ? kWithoutInput : kWithInput);
  text.append("\n\n### Instruction:\n").append(instruction);
  if (!input.empty()) text.append("\n\n### Input:\n").append(input);
  return text.append("\n\n### Response:");
}

std::string alpaca(std::string_view instruction, std::string_view input) {
  return alpaca_colon(instruction, input) + "\n";
}

std::string with_input_behind(std::string_view instruction, std::string_view input) {
  std::string text(instruction);
  if (!input.empty()) text.append("\n").append(input);
  return text;
}

std::string falcon_instruct(std::string_view instruction, std::string_view input) {
  return "User: " + with_input_behind(instruction, input) + "\nAssistant:";
}

struct Style {
  const char* name;
  Render render;
};
constexpr Style kStyles[] = {
    {"alpaca", alpaca},
    {"alpaca-colon", alpaca_colon},
    {"falcon-instruct", falcon_instruct},
    {"raw", with_input_behind},
};

const Style* find_style(std::string_view name) {
  for (const Style& style : kStyles)
    if (name == style.name) return &style;
  return nullptr;
}

}  // namespace

PromptStyle PromptStyle::named(std::string_view name) {
  if (find_style(name) == nullptr)
    fail_usage("there is no prompt style \"{}\"; the styles are {}", name,
               fmt::join(names(), ", "));
  return PromptStyle(std::string(name));
}

std::vector<std::string> PromptStyle::names() {
  std::vector<std::string> result;
  for (const Style& style : kStyles) result.emplace_back(style.name);
  return result;
}

std::string PromptStyle::render(std::string_view instruction, std::string_view input) const {
  const Style* style = find_style(name_);
  FALCONER_CHECK(style != nullptr);
  return style->render(instruction, input);
}

}  // namespace falconer
