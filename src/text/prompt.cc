#include "text/prompt.h"

#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/nearest.h"
#include "base/path.h"
#include "text/unicode.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

// The texts are Alpaca's own, byte for byte: models are trained on them everywhere. A template that
// has been released never changes.
std::string alpaca(std::string_view ending) {
  std::string source =
      "{% for message in messages %}{% if message.role == 'assistant' %}"
      "{{ message.content }}{{ eos_token }}"
      "{% elif message.role == 'system' %}{{ message.content }}{% else %}"
      "{% if loop.first %}Below is an instruction that describes a task"
      "{% if message.input %}, paired with an input that provides further context{% endif %}. "
      "Write a response that appropriately completes the request.{% endif %}"
      "{{ '\\n\\n### Instruction:\\n' }}"
      "{% if message.input %}{{ message.instruction }}{{ '\\n\\n### Input:\\n' }}{{ message.input "
      "}}"
      "{% else %}{{ message.content }}{% endif %}{{ '\\n\\n### Response:";
  return source.append(ending).append("' }}{% endif %}{% endfor %}");
}

/// Speakers by name, a line each.
std::string named_speakers(std::string_view assistant, std::string_view gap,
                           std::string_view system) {
  return fmt::format(
      "{{% for message in messages %}}{{% if not loop.first %}}{{{{ '\\n' }}}}{{% endif %}}"
      "{{% if message.role == 'assistant' %}}{0}:{1}{{{{ message.content }}}}{{{{ eos_token }}}}"
      "{{% elif message.role == 'system' %}}{2}{{{{ message.content }}}}"
      "{{% else %}}User: {{{{ message.content }}}}{{% endif %}}{{% endfor %}}"
      "{{% if add_generation_prompt %}}{{{{ '\\n' }}}}{0}:{{% endif %}}",
      assistant, gap, system);
}

// Formats of families, which their checkpoints' own chat templates write too. What begins a text is not in them: the
// tokenizer puts it there. A system message is where it does not move when the conversation goes on.

/// `open` and `close` around a role, `end` behind each message.
std::string marked_roles(std::string_view first, std::string_view open, std::string_view close,
                         std::string_view end) {
  return fmt::format(
      "{0}{{% for message in messages %}}{{{{ '{1}' ~ message.role ~ '{2}' }}}}"
      "{{{{ message.content }}}}{{{{ '{3}' }}}}{{% endfor %}}"
      "{{% if add_generation_prompt %}}{{{{ '{1}assistant{2}' }}}}{{% endif %}}",
      first, open, close, end);
}

/// "You are a helpful assistant.", as LitGPT has it where no system message is given.
std::string usual_system(std::string_view open, std::string_view close, std::string_view end) {
  return fmt::format(
      "{{% if not messages or messages[0].role != 'system' %}}"
      "{{{{ '{}system{}You are a helpful assistant.{}' }}}}{{% endif %}}",
      open, close, end);
}

/// Whether a user's message is the first, and whether a system message is before it.
constexpr const char* kFirstOfUser =
    "{% set system = messages and messages[0].role == 'system' %}"
    "{% for message in messages %}{% set first = loop.index0 == (1 if system else 0) %}";

/// [INST] and [/INST]: LLaMA 2's with its system markers and a begin-of-text for each turn, and Mistral's.
std::string instructions(bool llama) {
  const std::string system =
      llama ? "{{ '<<SYS>>\n' }}{{ messages[0].content }}{{ '\n<</SYS>>\n\n' }}"
            : "{{ messages[0].content }}{{ '\n\n' }}";
  return std::string(kFirstOfUser) +
         "{% if message.role == 'assistant' %}{{ ' ' }}{{ message.content }}{{ eos_token }}"
         "{% elif message.role != 'system' %}" +
         (llama ? "{{ '' if first else bos_token }}" : "") +
         "{{ '[INST] ' }}{% if first and system %}" + system +
         "{% endif %}{{ message.content }}{{ '" + (llama ? " [/INST]" : "[/INST]") +
         "' }}{% endif %}{% endfor %}";
}

std::string gemma() {
  return std::string(kFirstOfUser) +
         "{% if message.role != 'system' %}{{ '<start_of_turn>' ~ ('model' if message.role == "
         "'assistant' else message.role) ~ '\n' }}"
         "{% if first and system %}{{ messages[0].content }}{{ '\n\n' }}{% endif %}"
         "{{ message.content }}{{ '<end_of_turn>\n' }}{% endif %}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";
}

std::string vicuna() {
  return "{% if not messages or messages[0].role != 'system' %}"
         "{{ \"A chat between a curious user and an artificial intelligence assistant. The "
         "assistant gives helpful, detailed, and polite answers to the user's questions.\" }}"
         "{% endif %}{% for message in messages %}"
         "{% if message.role == 'assistant' %}{{ ' ASSISTANT: ' }}{{ message.content }}{{ "
         "eos_token }}"
         "{% elif message.role == 'system' %}{{ message.content }}"
         "{% else %}{{ ' USER: ' }}{{ message.content }}{% endif %}{% endfor %}"
         "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}";
}

std::string falcon3() {
  return "{% for message in messages %}{{ '<|' ~ message.role ~ '|>\n' }}{{ message.content }}"
         "{{ eos_token ~ '\n' }}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";
}

struct Style {
  const char* name;
  std::string (*source)();
};
constexpr Style kStyles[] = {
    {"alpaca", [] { return alpaca("\\n"); }},
    {"alpaca-colon", [] { return alpaca(""); }},
    {"falcon", [] { return named_speakers("Falcon", " ", "System: "); }},
    {"falcon-instruct", [] { return named_speakers("Assistant", "", ""); }},
    {"falcon3", falcon3},
    {"llama2", [] { return instructions(true); }},
    {"llama3",
     [] {
       constexpr const char *open = "<|start_header_id|>", *close = "<|end_header_id|>\\n\\n",
                            *end = "<|eot_id|>";
       return marked_roles(usual_system(open, close, end), open, close, end);
     }},
    {"mistral", [] { return instructions(false); }},
    {"gemma", gemma},
    {"phi-3",
     [] {
       return marked_roles(usual_system("<|", "|>\\n", "<|end|>\\n"), "<|", "|>\\n", "<|end|>\\n");
     }},
    {"vicuna", vicuna},
    {"chatml", [] { return marked_roles("", "<|im_start|>", "\\n", "<|im_end|>\\n"); }},
    {"raw",
     [] {
       return std::string(
           "{% for message in messages %}{{ message.content }}"
           "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}");
     }},
};

const Style* find_style(std::string_view name) {
  for (const Style& style : kStyles)
    if (name == style.name) return &style;
  return nullptr;
}

bool names_chat_template(std::string_view name) {
  return name == "chat" || name.starts_with("chat:");
}

/// Roles that templates write into their markers, as in "<|" + role + "|>". Any other is data.
bool is_usual_role(std::string_view role) {
  for (const char* usual : {"system", "user", "assistant", "tool", "developer", "function",
                            "ipython", "observation", "environment"})
    if (role == usual) return true;
  return false;
}

nlohmann::json read_tokenizer_config(const TemplateFiles& checkpoint) {
  constexpr const char* kName = "tokenizer_config.json";
  const auto text = checkpoint.read(kName);
  if (!text) return {};
  return parse_json_object(*text, fmt::format("{}: {}", checkpoint.where(), kName));
}

/// The templates of tokenizer_config.json: its only one, "default", or several by name. Error: none of these.
std::map<std::string, std::string> templates_in(const nlohmann::json& config,
                                                const std::string& where) {
  std::map<std::string, std::string> made;
  const auto found = config.is_object() ? config.find("chat_template") : config.end();
  if (!config.is_object() || found == config.end() || found->is_null()) return made;
  const auto refuse = [&](const std::string& what) {
    fail(
        "{}: \"chat_template\" in tokenizer_config.json {}; expected a template's text, or a list "
        "of "
        "{{\"name\", \"template\"}}: write it so, or take it out",
        where, what);
  };
  const auto add = [&](const std::string& name, const nlohmann::json& source) {
    if (!source.is_string())
      refuse(fmt::format("has {} as the template \"{}\"", found_text(source), printable(name)));
    made[name] = source.get<std::string>();
  };
  if (found->is_string()) {
    add("default", *found);
  } else if (found->is_object()) {
    for (const auto& [name, source] : found->items()) add(name, source);
  } else if (found->is_array()) {
    for (const auto& one : *found) {
      if (!one.is_object() || !one.contains("name") || !one["name"].is_string() ||
          !one.contains("template"))
        refuse(fmt::format("holds {} without a name and a template", found_text(one)));
      add(one["name"].get<std::string>(), one["template"]);
    }
  } else {
    refuse("is " + found_text(*found));
  }
  return made;
}

/// The checkpoint's template of that name ("" or "default" is the one that is used where none is
/// named); nothing where it has none at all. Others are listed in `others`.
std::optional<std::string> read_chat_template(const TemplateFiles& checkpoint,
                                              std::string_view name,
                                              std::vector<std::string>& others) {
  const bool usual = name.empty() || name == "default";
  if (const auto text = checkpoint.read("chat_template.jinja"); usual && text)
    return to_valid_utf8(*text);
  // Beside chat_template.jinja, transformers keeps the others in a folder.
  if (!usual && name.find_first_of("/\\") == std::string_view::npos)
    if (const auto text = checkpoint.read(fmt::format("additional_chat_templates/{}.jinja", name)))
      return to_valid_utf8(*text);
  std::optional<std::string> made;
  for (auto& [known, source] :
       templates_in(read_tokenizer_config(checkpoint), checkpoint.where())) {
    others.push_back(known);
    if (known == (usual ? "default" : name)) made = source;
  }
  return made;
}

/// Messages as values of a template. Strings are views, so that this outlives the rendering.
class Values {
 public:
  Values(JinjaHeap& heap, bool chat) : heap_(heap), chat_(chat) {}

  JinjaValue messages(const Conversation& conversation, size_t count) {
    std::vector<JinjaValue> items;
    items.reserve(count);
    for (size_t i = 0; i < count; ++i) items.push_back(message(conversation.messages[i]));
    return heap_.list(std::move(items));
  }

 private:
  using Entries = std::vector<std::pair<JinjaValue, JinjaValue>>;

  JinjaValue text(const std::string& bytes, bool data) {
    if (valid_utf8_prefix(bytes) < bytes.size()) return heap_.string(to_valid_utf8(bytes), data);
    return heap_.view(bytes, data);
  }
  void add(Entries& entries, std::string_view key, const JinjaValue& value) {
    entries.emplace_back(heap_.view(key, false), value);
  }

  JinjaValue message(const Message& m) {
    Entries entries;
    entries.reserve(4);
    add(entries, "role", text(m.role, !is_usual_role(m.role)));
    if (!m.input.empty()) {
      add(entries, "content", heap_.string(to_valid_utf8(m.content + "\n" + m.input), true));
      add(entries, "instruction", text(m.content, true));
      add(entries, "input", text(m.input, true));
    } else if (chat_ && m.more.is_object() && m.more.contains("content")) {
      add(entries, "content", JinjaValue::none());
    } else {
      add(entries, "content", text(m.content, true));
    }
    if (m.more.is_object())
      for (const auto& [key, value] : m.more.get_ref<const nlohmann::ordered_json::object_t&>())
        if (key != "role" && key != "content") add(entries, key, heap_.from_json(value, true));
    return heap_.dict(std::move(entries));
  }

  JinjaHeap& heap_;
  bool chat_;
};

}  // namespace

std::optional<std::string> TemplateFiles::read(const std::string& name) const {
  if (!files_) {
    const fs::path path = folder_ / name;
    if (!is_there(path)) return {};
    return read_text_file(path, size_t{1} << 28);
  }
  const auto found = files_->find(name);
  return found == files_->end() ? std::nullopt : std::optional(found->second);
}

Conversation Conversation::of(std::string instruction, std::string input) {
  Conversation made;
  made.messages.push_back(
      {.role = "user", .content = std::move(instruction), .input = std::move(input), .more = {}});
  return made;
}

PromptStyle::PromptStyle(std::string name, std::string source)
    : name_(std::move(name)),
      template_(std::move(source),
                names_chat_template(name_) ? "chat template" : "prompt style " + name_) {}

std::vector<std::string> PromptStyle::names() {
  std::vector<std::string> result;
  for (const Style& style : kStyles) result.emplace_back(style.name);
  result.emplace_back("chat");
  return result;
}

void PromptStyle::check(std::string_view name) {
  if (find_style(name) == nullptr && !names_chat_template(name))
    fail_choice("--prompt-style", std::string(name), names());
}

PromptStyle PromptStyle::named(std::string_view name) {
  check(name);
  const Style* style = find_style(name);
  if (style == nullptr)
    fail_usage("prompt style \"{}\" is a checkpoint's, and there is none", name);
  return PromptStyle(std::string(name), style->source());
}

PromptStyle PromptStyle::of_checkpoint(std::string_view name, const TemplateFiles& checkpoint) {
  check(name);
  if (!names_chat_template(name)) return named(name);
  const std::string_view which = name == "chat" ? "" : name.substr(5);
  std::vector<std::string> others;
  auto source = read_chat_template(checkpoint, which, others);
  if (!source && others.empty())
    fail(
        "{}: has no chat template, neither chat_template.jinja nor \"chat_template\" in "
        "tokenizer_config.json; give another --prompt-style",
        checkpoint.where());
  if (!source)
    fail("{}: has no chat template \"{}\"; it has {}", checkpoint.where(),
         which.empty() ? "default" : which, joined(others, ", "));
  return PromptStyle(std::string(name), std::move(*source));
}

PromptStyle PromptStyle::recorded(std::string_view name, const std::string& source,
                                  const TemplateFiles& checkpoint) {
  if (source.empty()) return of_checkpoint(name, checkpoint);
  return PromptStyle(std::string(name), source);
}

bool PromptStyle::has_chat_template(const TemplateFiles& checkpoint) {
  return chat_template(checkpoint).has_value();
}

std::optional<std::string> PromptStyle::chat_template(const TemplateFiles& checkpoint) {
  std::vector<std::string> others;
  return read_chat_template(checkpoint, "", others);
}

std::string PromptStyle::without_place(const Conversation& conversation, size_t count) const {
  const auto shows = [&](const char* name) { return source().find(name) != std::string::npos; };
  if (!conversation.tools.empty() && !shows("tools")) return "tools";
  for (size_t i = 0; i < count; ++i) {
    const Message& m = conversation.messages[i];
    for (const char* call : {"tool_calls", "function_call"})
      if (m.more.is_object() && m.more.contains(call) && !m.more[call].empty() && !shows(call))
        return call;
    if (m.role == "tool" && !is_chat_template()) return "tool";
  }
  return {};
}

MarkedText PromptStyle::render(const Conversation& conversation, size_t count, bool prompt,
                               const SpecialTokens& special) const {
  if (const std::string left_out = without_place(conversation, count); !left_out.empty())
    fail(
        "has {}, and {} has no place for it, which would leave it out; take another --prompt-style "
        "(chat, of a checkpoint whose chat template has tools), or take it out of the row",
        left_out == "tool" ? "a tool's answer" : fmt::format("\"{}\"", left_out),
        is_chat_template() ? "the chat template" : "prompt style " + name_);
  JinjaHeap heap{JinjaLimits{}};
  Values values(heap, is_chat_template());
  std::vector<std::pair<std::string_view, JinjaValue>> variables = {
      {"messages", values.messages(conversation, count)},
      {"add_generation_prompt", JinjaValue::of(prompt)}};
  for (const auto& [name, token] : special) variables.emplace_back(name, heap.view(token, false));
  if (is_chat_template()) {
    variables.emplace_back("tools", conversation.tools.is_null()
                                        ? JinjaValue::none()
                                        : heap.from_json(conversation.tools, true));
    variables.emplace_back("documents", JinjaValue::none());
  }
  return template_.render(variables, heap);
}

}  // namespace falconer
