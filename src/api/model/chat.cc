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

ExtraKeys extra_keys(const Chat& chat, const std::set<std::string>& read, const Model& model,
                     bool raw) {
  return extra_keys(conversation_of(chat), read,
                    [&](const Conversation& asked) -> std::optional<std::string> {
                      try {
                        const std::vector<int32_t> ids =
                            model.encode_chat(chat_of(asked, asked.messages.size()), raw);
                        return std::string(reinterpret_cast<const char*>(ids.data()),
                                           ids.size() * sizeof(int32_t));
                      } catch (const Error&) {  // a template may refuse what another one takes
                        return {};
                      }
                    });
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
