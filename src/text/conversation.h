// Messages that a prompt style renders: all that a row, a prompt or a chat says.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace falconer {

struct Message {
  std::string role;     // "system", "user", "assistant", "tool"
  std::string content;  // of a user's message with `input`: the instruction alone
  std::string input;    // further context that Alpaca's rows have
  /// What else an OpenAI message holds ("tool_calls", "name", ...), for chat templates; with
  /// "content": null where there is none.
  nlohmann::ordered_json more;
  bool learn = true;  // false: an answer that the row says is not to be learned

  bool is_assistant() const { return role == "assistant"; }
};

struct Conversation {
  std::vector<Message> messages;
  nlohmann::ordered_json tools;  // null, or what the model may call

  /// One question.
  static Conversation of(std::string instruction, std::string input = {});
};

}  // namespace falconer
