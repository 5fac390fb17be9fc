#include "api/model/chat.h"

#include "base/error.h"
#include "base/json_text.h"
#include "data/format/messages.h"

namespace falconer {

Conversation conversation_of(const Chat& chat) {
  Conversation made;
  for (const ChatMessage& m : chat.messages) {
    Message message{.role = m.role, .content = m.content, .input = m.input, .more = {}};
    if (!m.more.empty()) message.more = parse_ordered_json(m.more);
    if (message.more.is_discarded()) fail("a message holds what is not valid JSON");
    made.messages.push_back(std::move(message));
  }
  if (!chat.tools.empty()) made.tools = parse_ordered_json(chat.tools);
  if (made.tools.is_discarded()) fail("the tools are not valid JSON");
  return made;
}

Chat chat_of(const Conversation& conversation, size_t count) {
  Chat made;
  for (size_t i = 0; i < count; ++i) {
    const Message& message = conversation.messages[i];
    made.messages.push_back({.role = message.role,
                             .content = message.content,
                             .input = message.input,
                             .more = message.more.is_null() ? "" : message.more.dump()});
  }
  if (!conversation.tools.is_null()) made.tools = conversation.tools.dump();
  return made;
}

Chat parse_chat(const std::string& json) {
  const RowObject row = parse_ordered_json(json);
  if (!row.is_object()) fail("expected a JSON object with \"messages\"");
  RowContext context;
  const ParsedRow parsed = parse_messages(row, context);
  const Conversation& conversation = std::get<Example>(parsed).conversation;
  return chat_of(conversation, conversation.messages.size());
}

}  // namespace falconer
