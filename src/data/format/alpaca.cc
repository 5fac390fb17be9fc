#include "data/format/alpaca.h"

#include "base/error.h"
#include "data/format/messages.h"

namespace falconer {

ParsedRow parse_alpaca(const RowObject& object, RowContext& context) {
  Example example =
      Example::of(text_field(object, "instruction"), optional_text_field(object, "input"),
                  answer_field(object, "output", context));
  std::vector<Message> before;
  if (const RowObject* history = find_field(object, "history")) {
    if (!history->is_array()) fail("\"history\" is not a list of [question, answer]");
    for (const RowObject& turn : *history) {
      if (!turn.is_array() || turn.size() != 2)
        fail("\"history\" holds {}, expected [question, answer]", kind_of(turn));
      for (const size_t i : {0, 1})
        if (!turn[i].is_string())
          fail("\"history\" has {} as {}, expected text: [question, answer]", kind_of(turn[i]),
               i == 0 ? "a question" : "an answer");
      before.push_back(
          {.role = "user", .content = turn[0].get<std::string>(), .input = {}, .more = {}});
      before.push_back(
          {.role = "assistant", .content = turn[1].get<std::string>(), .input = {}, .more = {}});
    }
  }
  auto& messages = example.conversation.messages;
  messages.insert(messages.begin(), std::make_move_iterator(before.begin()),
                  std::make_move_iterator(before.end()));
  take_system(object, example.conversation);
  return example;
}

}  // namespace falconer
