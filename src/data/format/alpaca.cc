#include "data/format/alpaca.h"

#include "base/error.h"

namespace falconer {

ParsedRow parse_alpaca(const RowObject& object, RowContext& context) {
  Example example =
      Example::of(text_field(object, "instruction"), optional_text_field(object, "input"),
                  answer_field(object, "output", context));
  std::vector<Message> before;
  if (std::string system = optional_text_field(object, "system"); !system.empty())
    before.push_back({.role = "system", .content = std::move(system), .input = {}, .more = {}});
  if (const RowObject* history = find_field(object, "history")) {
    if (!history->is_array()) fail("\"history\" is not a list of [question, answer]");
    for (const RowObject& turn : *history) {
      if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string())
        fail("\"history\" holds {}, expected [question, answer]", kind_of(turn));
      before.push_back(
          {.role = "user", .content = turn[0].get<std::string>(), .input = {}, .more = {}});
      before.push_back(
          {.role = "assistant", .content = turn[1].get<std::string>(), .input = {}, .more = {}});
    }
  }
  auto& messages = example.conversation.messages;
  messages.insert(messages.begin(), std::make_move_iterator(before.begin()),
                  std::make_move_iterator(before.end()));
  return example;
}

}  // namespace falconer
