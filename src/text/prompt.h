// The one place where an instruction becomes the text of a prompt. Training and use call the same
// function, and the style's name is recorded with every adapter.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// A prompt style by name:
///   "alpaca"           ends with "### Response:\n", as LitGPT
///   "alpaca-colon"     ends with "### Response:", as Lit-Parrot of June 2023
///   "falcon-instruct"  "User: {instruction}\nAssistant:"
///   "raw"              the instruction alone
class PromptStyle {
 public:
  /// Error (usage): an unknown name; the message lists the names.
  static PromptStyle named(std::string_view name);
  static std::vector<std::string> names();

  const std::string& name() const { return name_; }
  /// The text that the answer is appended to. `input` may be empty.
  std::string render(std::string_view instruction, std::string_view input = {}) const;

 private:
  explicit PromptStyle(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

}  // namespace falconer
