#include "data/format/prompt_completion.h"

#include "base/error.h"
#include "data/format/messages.h"
#include "data/row_delivery.h"

namespace falconer {

ParsedRow parse_prompt_completion(const RowObject& object, RowContext& context) {
  const RowObject* completion = find_field(object, "completion");
  if (completion != nullptr && is_list_of_messages(*completion))
    fail(
        "\"completion\" is a list of messages and \"prompt\" is a text; expected two texts, or two "
        "lists of messages");
  return Example::of(text_field(object, "prompt"), {}, answer_field(object, "completion", context));
}

bool has_prompt_messages(const RowObject& object) {
  const RowObject* prompt = find_field(object, "prompt");
  return prompt != nullptr && prompt->is_array() && object.contains("completion");
}

ParsedRow parse_prompt_messages(const RowObject& object, RowContext& context) {
  Example example{.conversation = parse_message_list(object, "prompt", context)};
  auto& messages = example.conversation.messages;
  for (Message& message : messages) message.learn = false;
  for (Message& message : parse_message_list(object, "completion", context).messages)
    messages.push_back(std::move(message));
  take_system(object, example.conversation);
  example.conversation.tools = tools_field(object);
  return example;
}

}  // namespace falconer
