#include "data/formats.h"

#include <algorithm>

#include "base/error.h"
#include "base/joined.h"
#include "base/nearest.h"
#include "base/spelling.h"
#include "data/complaints.h"
#include "data/format/alpaca.h"
#include "data/format/messages.h"
#include "data/format/prompt_completion.h"
#include "data/format/sharegpt.h"
#include "data/format/text.h"
#include "data/format/tokens.h"
#include "data/row_delivery.h"

namespace falconer {
namespace {

constexpr size_t kMostMessages = 1024, kMostUnread = 1000;

// The first whose key a row has is its format.
constexpr DataFormat kFormats[] = {
    {.name = "tokens",
     .key = "input_ids",
     .example = R"({"input_ids": [1, 2], "labels": [-100, 2]})",
     .parse = parse_tokens,
     .fields = {"input_ids", "labels"}},
    {.name = "messages",
     .key = "messages",
     .example = R"({"messages": [{"role": "user", "content": "..."}, ...]})",
     .parse = parse_messages,
     .fields = {"messages", "system", "system_prompt", "tools"},
     .chat = true},
    {.name = "sharegpt",
     .key = "conversations",
     .example = R"({"conversations": [{"from": "human", "value": "..."}, ...]})",
     .parse = parse_sharegpt,
     .fields = {"conversations", "system", "system_prompt", "tools"},
     .chat = true},
    {.name = "alpaca",
     .key = "instruction",
     .example = R"({"instruction": "...", "input": "...", "output": "..."})",
     .parse = parse_alpaca,
     .fields = {"instruction", "input", "output", "system", "system_prompt", "history"}},
    {.name = "prompt-completion-messages",
     .key = "prompt",
     .example =
         R"({"prompt": [{"role": "user", ...}], "completion": [{"role": "assistant", ...}]})",
     .parse = parse_prompt_messages,
     .fields = {"prompt", "completion", "system", "system_prompt", "tools"},
     .chat = true,
     .fits = has_prompt_messages},
    {.name = "prompt-completion",
     .key = "prompt",
     .example = R"({"prompt": "...", "completion": "..."})",
     .parse = parse_prompt_completion,
     .fields = {"prompt", "completion"},
     .stands = true},
    {.name = "text",
     .key = "text",
     .example = R"({"text": "..."})",
     .parse = parse_text,
     .fields = {"text"},
     .stands = true},
};

/// "\"Frage\", \"Antwort\"": the first of them.
std::string keys_text(const RowObject& object) {
  constexpr size_t kShown = 10;
  std::string text;
  size_t shown = 0;
  for (const auto& [key, value] : object.items()) {
    if (shown++ == kShown) return text + fmt::format(" and {} more", object.size() - kShown);
    text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", printable(key));
  }
  return text.empty() ? "none" : text;
}

/// Of a table with one column, whose name has what separates columns elsewhere.
std::string separator_hint(const RowObject& object) {
  if (object.size() != 1) return {};
  const std::string name = object.begin().key();
  for (const auto& [separator, value] : {std::pair(';', "';'"), {'\t', "tab"}, {'|', "'|'"}})
    if (name.find(separator) != std::string::npos)
      return worded(
          "; its columns seem to be separated by {}: prepare reads it with --delimiter {}",
          separator == '\t' ? "tabs" : value, value);
  return {};
}

bool is_of(const DataFormat& format, const RowObject& object) {
  return object.contains(format.key) && (format.fits == nullptr || format.fits(object));
}

}  // namespace

std::vector<std::string> data_format_names() {
  std::vector<std::string> names;
  for (const DataFormat& format : kFormats) names.emplace_back(format.name);
  return names;
}

std::vector<std::string> data_format_fields() {
  std::vector<std::string> fields;
  for (const DataFormat& format : kFormats)
    for (const char* field : format.fields)
      if (field != nullptr && std::find(fields.begin(), fields.end(), field) == fields.end())
        fields.emplace_back(field);
  return fields;
}

const DataFormat* find_data_format(const std::string& name) {
  if (name.empty() || name == "auto") return nullptr;
  for (const DataFormat& format : kFormats)
    if (name == format.name) return &format;
  std::vector<std::string> known = data_format_names();
  known.insert(known.begin(), "auto");
  fail_choice("--data-format", name, known);
}

const DataFormat& detect_data_format(const RowObject& object) {
  std::vector<std::string> keys;
  for (const DataFormat& format : kFormats) {
    if (is_of(format, object)) return format;
    if (format.fits == nullptr) keys.push_back(fmt::format("\"{}\" ({})", format.key, format.name));
  }
  for (const auto& [key, value] : object.items()) {
    if (is_list_of_messages(value))
      fail("has messages in \"{0}\", a name that no format has: give --columns {1}={0}",
           printable(key), is_list_of_turns(value) ? "conversations" : "messages");
    if (value.is_array() && !value.empty() && value[0].is_object()) fail("{}", rows_in_member(key));
  }
  fail("has none of the keys that tell a format: {}; it has {} (--columns says what a column is){}",
       joined(keys, ", "), keys_text(object), separator_hint(object));
}

std::string FormatParser::columns() const {
  return columns_.empty()
             ? ""
             : columns_.text() + (named_ ? "" : spelled(" (guessed; --columns says otherwise)"));
}

void FormatParser::count_unread(const RowObject& object, std::vector<std::string> of_turns) {
  const auto& fields = format_->fields;
  for (const auto& [key, value] : object.items()) {
    const auto reads = [&name = key](const char* field) {
      return field != nullptr && name == field;
    };
    if (!says_nothing(value) && std::none_of(fields.begin(), fields.end(), reads))
      of_turns.push_back(key);
  }
  std::sort(of_turns.begin(), of_turns.end());
  of_turns.erase(std::unique(of_turns.begin(), of_turns.end()), of_turns.end());
  for (const std::string& key : of_turns)
    if (unread_.size() < kMostUnread || unread_.contains(key)) ++unread_[key];
}

ParsedRow FormatParser::parse(const RowObject& object) {
  if (!begun_ && !named_ && (format_ == nullptr || !format_->chat))
    columns_ = Columns::guess(object);
  // One that the first row does not have is a name that was mistyped, and no row's fault.
  if (!begun_ && named_)
    if (const std::string missing = columns_.missing_in(object); !missing.empty())
      fail_usage("--columns names \"{}\", which the first row does not have; it has {}",
                 printable(missing), keys_text(object));
  begun_ = true;
  if (columns_.empty()) return parse_named(object);
  ParsedRow row = parse_named(columns_.renamed(object));
  for (const std::string& key : columns_.hidden_in(object))
    if (!says_nothing(object[key])) ++unread_[key];
  return row;
}

ParsedRow FormatParser::parse_named(const RowObject& object) {
  if (format_ == nullptr) {
    format_ = &detect_data_format(object);
    detected_ = true;
  } else if (detected_ && !is_of(*format_, object)) {
    const DataFormat& other = detect_data_format(object);
    fail("is of format {}, and the rows before it are of {}; a file holds one format", other.name,
         format_->name);
  }
  RowContext context{.vocab = vocab_, .unread = {}};
  ParsedRow row = format_->parse(object, context);
  // Every answer is rendered together with what comes before it: twice the messages, four times the
  // work.
  if (const Example* example = std::get_if<Example>(&row))
    if (const size_t count = example->conversation.messages.size(); count > kMostMessages)
      fail("holds {} messages; expected at most {}: cut the conversation into several rows", count,
           kMostMessages);
  json_answers_ += context.json_answer;
  count_unread(object, std::move(context.unread));
  return row;
}

}  // namespace falconer
