#include "data/format/sharegpt.h"

#include "base/error.h"
#include "data/format/messages.h"

namespace falconer {

ParsedRow parse_sharegpt(const RowObject& object, RowContext& context) {
  Example example;
  auto& messages = example.conversation.messages;
  RowObject parsed;
  for (const RowObject& turn : list_field(object, "conversations", "turns", parsed)) {
    if (!turn.is_object()) fail("a turn is {}, expected an object", kind_of(turn));
    if (turn.contains("role")) {
      messages.push_back(parse_message(turn, "conversations", context));
      continue;
    }
    messages.push_back({.role = usual_role(text_field(turn, "from")),
                        .content = answer_field(turn, "value", context),
                        .input = {},
                        .more = {},
                        .learn = learn_field(turn).value_or(true)});
    for (const auto& [key, value] : turn.items())
      if (key != "from" && key != "value" && !is_learn_key(key) && !says_nothing(value))
        context.unread.push_back("conversations." + key);
  }
  take_system(object, example.conversation);
  example.conversation.tools = tools_field(object);
  return example;
}

}  // namespace falconer
