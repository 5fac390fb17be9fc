// The one place where messages become the text of a prompt. Training and use render with the same
// template, whose text is recorded with every adapter.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/conversation.h"
#include "text/jinja/jinja.h"
#include "text/marked_text.h"

namespace falconer {

/// Where a checkpoint's chat template may be: a folder, or the files that are inside of a model's one
/// file, by name.
class TemplateFiles {
 public:
  TemplateFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}  // NOLINT: as a path
  TemplateFiles(std::map<std::string, std::string> files, std::filesystem::path where)
      : folder_(std::move(where)), files_(std::move(files)) {}

  /// The file's text; nothing where it is not there.
  std::optional<std::string> read(const std::string& name) const;
  std::string where() const { return folder_.string(); }

 private:
  std::filesystem::path folder_;
  std::optional<std::map<std::string, std::string>> files_;
};

/// A prompt style:
///   "alpaca"           ends with "### Response:\n", as LitGPT
///   "alpaca-colon"     ends with "### Response:", as Lit-Parrot of June 2023
///   "falcon"           "User: {message}\nFalcon: {answer}", as falcon-7b-instruct
///   "falcon-instruct"  "User: {message}\nAssistant:{answer}"
///   "falcon3"          "<|user|>\n{message}<|endoftext|>\n<|assistant|>\n{answer}", as LitGPT
///   "llama2", "llama3", "mistral", "gemma", "phi-3", "vicuna", "chatml"   those families' formats
///   "raw"              messages as they stand
///   "chat"             the checkpoint's own chat template; "chat:NAME" where it has several
/// Every one but "chat" ends an answer with the end-of-text token, or with the one that ends a turn of its family.
class PromptStyle {
 public:
  /// Error (usage): an unknown name; the message lists the names.
  static PromptStyle named(std::string_view name);
  /// A style by name, where "chat" and "chat:NAME" are the checkpoint's. Error: it has no such
  /// template.
  static PromptStyle of_checkpoint(std::string_view name, const TemplateFiles& checkpoint);
  /// As it was recorded. `source` may be empty where only the name was.
  static PromptStyle recorded(std::string_view name, const std::string& source,
                              const TemplateFiles& checkpoint);
  /// Whether the checkpoint has a chat template. Error: it has something else in its place.
  static bool has_chat_template(const TemplateFiles& checkpoint);
  /// Its text.
  static std::optional<std::string> chat_template(const TemplateFiles& checkpoint);
  static std::vector<std::string> names();
  /// Error (usage): a name that is none of them.
  static void check(std::string_view name);

  const std::string& name() const { return name_; }
  /// The template, in Jinja.
  const std::string& source() const { return template_.source(); }
  /// The checkpoint's own template writes all of its special tokens itself.
  bool is_chat_template() const { return name_.starts_with("chat"); }

  using SpecialTokens = std::map<std::string, std::string>;  // "eos_token": "<|endoftext|>", ...
  /// The first `count` messages; with `prompt` the text that an answer is appended to. What comes
  /// from messages is marked as data, roles that are usual apart. Error: the template refuses them, or has no place for their tools.
  MarkedText render(const Conversation& conversation, size_t count, bool prompt,
                    const SpecialTokens& special) const;
  /// What of the first `count` messages and their tools the template would leave out: "tools", "tool_calls",
  /// "function_call", "tool", an answer of one; empty: nothing.
  std::string without_place(const Conversation& conversation, size_t count) const;

 private:
  PromptStyle(std::string name, std::string source);

  std::string name_;
  JinjaTemplate template_;
};

}  // namespace falconer
