#include "data/formats.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/nearest.h"
#include "data/format/alpaca.h"
#include "data/format/messages.h"
#include "data/format/prompt_completion.h"
#include "data/format/sharegpt.h"
#include "data/format/text.h"
#include "data/format/tokens.h"

namespace falconer {
namespace {

constexpr size_t kMostMessages = 1024;

// The first whose key a row has is its format.
constexpr DataFormat kFormats[] = {
    {.name = "tokens",
     .key = "input_ids",
     .example = R"({"input_ids": [1, 2], "labels": [-100, 2]})",
     .parse = parse_tokens},
    {.name = "messages",
     .key = "messages",
     .example = R"({"messages": [{"role": "user", "content": "..."}, ...]})",
     .parse = parse_messages,
     .chat = true},
    {.name = "sharegpt",
     .key = "conversations",
     .example = R"({"conversations": [{"from": "human", "value": "..."}, ...]})",
     .parse = parse_sharegpt,
     .chat = true},
    {.name = "alpaca",
     .key = "instruction",
     .example = R"({"instruction": "...", "input": "...", "output": "..."})",
     .parse = parse_alpaca},
    {.name = "prompt-completion",
     .key = "prompt",
     .example = R"({"prompt": "...", "completion": "..."})",
     .parse = parse_prompt_completion,
     .stands = true},
    {.name = "text",
     .key = "text",
     .example = R"({"text": "..."})",
     .parse = parse_text,
     .stands = true},
};

}  // namespace

std::vector<std::string> data_format_names() {
  std::vector<std::string> names;
  for (const DataFormat& format : kFormats) names.emplace_back(format.name);
  return names;
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
    if (object.contains(format.key)) return format;
    keys.push_back(fmt::format("\"{}\" ({})", format.key, format.name));
  }
  fail("has none of the keys that tell a format: {}", fmt::join(keys, ", "));
}

ParsedRow FormatParser::parse(const RowObject& object) {
  if (format_ == nullptr) {
    format_ = &detect_data_format(object);
    detected_ = true;
  } else if (detected_ && !object.contains(format_->key)) {
    const DataFormat& other = detect_data_format(object);
    fail("is of format {}, and the rows before it are of {}; a file holds one format", other.name,
         format_->name);
  }
  ParsedRow row = format_->parse(object, vocab_);
  // Every answer is rendered together with what comes before it: twice the messages, four times the
  // work.
  if (const Example* example = std::get_if<Example>(&row))
    if (const size_t count = example->conversation.messages.size(); count > kMostMessages)
      fail("holds {} messages; expected at most {}: cut the conversation into several rows", count,
           kMostMessages);
  return row;
}

}  // namespace falconer
