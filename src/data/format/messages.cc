#include "data/format/messages.h"

#include "base/error.h"

namespace falconer {
namespace {

/// The texts of a list of parts, one behind the other.
std::string joined_parts(const RowObject& parts, const char* key, RowContext& context) {
  std::string text;
  for (const RowObject& part : parts) {
    if (part.is_string()) {
      text += part.get_ref<const std::string&>();
      continue;
    }
    const std::string type = part.is_object() ? optional_text_field(part, "type") : kind_of(part);
    if (type != "text")
      fail("\"content\" holds a part of type \"{}\", and only text can be read", printable(type));
    text += text_field(part, "text");
    for (const auto& [member, value] : part.items())
      if (member != "type" && member != "text" && !says_nothing(value))
        context.unread.push_back(fmt::format("{}.content.{}", key, member));
  }
  return text;
}

}  // namespace

Message parse_message(const RowObject& object, const char* key, RowContext& context) {
  if (!object.is_object()) fail("a message is {}, expected an object", kind_of(object));
  Message message{
      .role = usual_role(text_field(object, "role")), .content = {}, .input = {}, .more = {}};
  const RowObject* content = find_field(object, "content");
  if (content == nullptr && find_field(object, "tool_calls") == nullptr &&
      find_field(object, "function_call") == nullptr)
    fail("{} message {}; expected text, or a list of texts{}",
         message.is_assistant() ? "an assistant's" : fmt::format("a {}'s", message.role),
         object.contains("content") ? "has null as its \"content\"" : "has no \"content\"",
         message.is_assistant() ? " (none is needed beside \"tool_calls\")" : "");
  if (content != nullptr && content->is_array())
    message.content = joined_parts(*content, key, context);
  else if (content != nullptr)
    message.content = text_field(object, "content");
  message.learn = learn_field(object).value_or(true);
  for (const auto& [member, value] : object.items()) {
    if (member == "role" || member == "content" || is_learn_key(member) || value.is_null())
      continue;
    check_numbers(value, member);
    message.more[member] = value;
  }
  if (content == nullptr) message.more["content"] = nullptr;
  return message;
}

Conversation parse_message_list(const RowObject& object, const char* key, RowContext& context) {
  Conversation conversation;
  RowObject parsed;
  for (const RowObject& message : list_field(object, key, "messages", parsed))
    conversation.messages.push_back(parse_message(message, key, context));
  return conversation;
}

void take_system(const RowObject& object, Conversation& conversation) {
  for (const char* key : {"system", "system_prompt"}) {
    std::string system = optional_text_field(object, key);
    if (system.empty()) continue;
    auto& messages = conversation.messages;
    if (!messages.empty() && messages.front().role == "system")
      fail("has \"{}\", and a message of the system as well; keep one of them", key);
    messages.insert(messages.begin(),
                    {.role = "system", .content = std::move(system), .input = {}, .more = {}});
  }
}

ParsedRow parse_messages(const RowObject& object, RowContext& context) {
  Example example{.conversation = parse_message_list(object, "messages", context)};
  take_system(object, example.conversation);
  example.conversation.tools = tools_field(object);
  return example;
}

}  // namespace falconer
