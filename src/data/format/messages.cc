#include "data/format/messages.h"

#include "base/error.h"

namespace falconer {
namespace {

/// The texts of a list of parts, one behind the other.
std::string joined_parts(const RowObject& parts) {
  std::string text;
  for (const RowObject& part : parts) {
    if (part.is_string()) {
      text += part.get_ref<const std::string&>();
      continue;
    }
    const std::string type = part.is_object() ? optional_text_field(part, "type") : kind_of(part);
    if (type != "text")
      fail("\"content\" holds a part of type \"{}\", and only text can be learned from",
           printable(type));
    text += text_field(part, "text");
  }
  return text;
}

}  // namespace

Message parse_message(const RowObject& object) {
  if (!object.is_object()) fail("a message is {}, expected an object", kind_of(object));
  Message message{
      .role = usual_role(text_field(object, "role")), .content = {}, .input = {}, .more = {}};
  const RowObject* content = find_field(object, "content");
  if (content == nullptr && find_field(object, "tool_calls") == nullptr)
    fail("a message of {} has no \"content\"", message.role);
  if (content != nullptr && content->is_array())
    message.content = joined_parts(*content);
  else if (content != nullptr)
    message.content = text_field(object, "content");
  for (const auto& [key, value] : object.items()) {
    if (key == "role" || key == "content" || value.is_null()) continue;
    message.more[key] = value;
  }
  if (content == nullptr) message.more["content"] = nullptr;
  return message;
}

Conversation parse_message_list(const RowObject& list, const char* key) {
  if (!list.is_array() || list.empty()) fail("\"{}\" is not a list of messages", key);
  Conversation conversation;
  for (const RowObject& message : list) conversation.messages.push_back(parse_message(message));
  return conversation;
}

ParsedRow parse_messages(const RowObject& object, int64_t) {
  if (!object.contains("messages")) fail("has no \"messages\"");
  Example example{.conversation = parse_message_list(object["messages"], "messages")};
  example.conversation.tools = tools_field(object);
  return example;
}

}  // namespace falconer
