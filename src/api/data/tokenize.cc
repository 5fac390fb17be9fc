// falconer tokenize: text to ids and back, and messages as they are rendered.
#include "api/common.h"
#include "api/data/read_rows.h"
#include "api/model/resolve.h"
#include "base/error.h"
#include "base/log.h"
#include "data/format/fields.h"
#include "data/format/tokens.h"
#include "data/formats.h"
#include "data/message_keys.h"
#include "data/raw_rows.h"
#include "data/report.h"
#include "falconer/data.h"
#include "text/prompt_encoder.h"

namespace falconer {
namespace {

/// What a model would be given: with the beginning of an answer, unless the last message is one.
void tokenize_chat(const TokenizeOptions& options, const std::string& checkpoint,
                   const Tokenizer& tokenizer, ResultWriter& output) {
  const std::string name = options.prompt_style.empty() ? "chat" : options.prompt_style;
  const PromptStyle style = PromptStyle::of_checkpoint(name, template_files(checkpoint));
  const PromptEncoder encoder(tokenizer, style, options.parse_special);
  std::map<std::string, int64_t> unread;
  MessageKeys keys;
  for_each_json_line(options.input, [&](const nlohmann::ordered_json& json, int64_t) {
    // Each row by itself: they may be of several formats.
    FormatParser parser(nullptr, tokenizer.vocab_size());
    ParsedRow parsed = parser.parse(json);
    for (const auto& [name, rows] : parser.unread()) unread[name] += rows;
    auto* example = std::get_if<Example>(&parsed);
    if (example == nullptr) fail("holds token ids, and messages are expected");
    const Conversation& conversation = example->conversation;
    const bool answered = conversation.messages.back().is_assistant();
    nlohmann::ordered_json row;
    row["text"] = encoder.text(conversation, !answered).text();
    row["ids"] = answered ? encoder.conversation(conversation).ids : encoder.prompt(conversation);
    keys.add(extra_keys(conversation, keys.read(),
                        [&](const Conversation& c) { return encoder.rendered_text(c); }));
    output.write(row);
  });
  keys.count_unread("messages", unread);
  if (!unread.empty()) log_warning("{}: not read: {}", options.input, unread_text(unread));
}

}  // namespace

void tokenize(const TokenizeOptions& options) {
  const std::string checkpoint = resolve_checkpoint(options.checkpoint, CheckpointPart::kTokenizer);
  const Tokenizer tokenizer = load_tokenizer(checkpoint);
  OutputRule rule(options.overwrite);
  rule.reads(options.input);
  rule.reads(checkpoint);
  ResultWriter output(options.output, rule);
  if (options.chat) {
    tokenize_chat(options, checkpoint, tokenizer, output);
    return output.commit();
  }
  for_each_json_line(options.input, [&](const nlohmann::ordered_json& json, int64_t) {
    nlohmann::ordered_json row;
    if (options.decode)
      row["text"] = tokenizer.decode(read_ids(json, "ids", tokenizer.vocab_size(), false));
    else
      row["ids"] = tokenizer.encode(text_field(json, "text"));
    output.write(row);
  });
  output.commit();
}

}  // namespace falconer
