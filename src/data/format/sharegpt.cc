#include "data/format/sharegpt.h"

#include "base/error.h"
#include "data/format/messages.h"

namespace falconer {

ParsedRow parse_sharegpt(const RowObject& object, int64_t) {
  if (!object.contains("conversations")) fail("has no \"conversations\"");
  const RowObject& turns = object["conversations"];
  if (!turns.is_array() || turns.empty()) fail("\"conversations\" is not a list of turns");
  Example example;
  auto& messages = example.conversation.messages;
  if (std::string system = optional_text_field(object, "system"); !system.empty())
    messages.push_back({.role = "system", .content = std::move(system), .input = {}, .more = {}});
  for (const RowObject& turn : turns) {
    if (!turn.is_object()) fail("a turn is {}, expected an object", kind_of(turn));
    if (turn.contains("role"))
      messages.push_back(parse_message(turn));
    else
      messages.push_back({.role = usual_role(text_field(turn, "from")),
                          .content = text_field(turn, "value"),
                          .input = {},
                          .more = {}});
  }
  example.conversation.tools = tools_field(object);
  return example;
}

}  // namespace falconer
