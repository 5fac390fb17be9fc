// Members of a row's object, checked: what the formats share. Errors say what is wrong with the row.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_number.h"  // says_nothing()
#include "text/conversation.h"

namespace falconer {

using RowObject = nlohmann::ordered_json;

/// What a format's parser is told, and says of a row besides what it returns.
struct RowContext {
  int64_t vocab = 0;         // ids are below it
  bool json_answer = false;  // an answer that is no text was taken as its JSON
  std::vector<std::string>
      unread;  // members of turns and of parts that nothing reads, such as "conversations.id"
};

/// The member, or null where it is missing or null.
const RowObject* find_field(const RowObject& object, const char* key);
/// Error: it is missing, or no string.
std::string text_field(const RowObject& object, const char* key);
/// Empty where it is missing or null.
std::string optional_text_field(const RowObject& object, const char* key);
/// An answer: text, or a number, a list or an object as its JSON. Error: it is missing, or null, or check_numbers().
std::string answer_field(const RowObject& object, const char* key, RowContext& context);
/// A list, or JSON text of one, which `parsed` then holds. Error: it is missing, empty, or neither; `of`: what
/// it lists, in the plural.
const RowObject& list_field(const RowObject& object, const char* key, const char* of,
                            RowObject& parsed);
/// What a message's "weight" (0 or 1), "train" or "loss" (true or false) says of learning it. Absent
/// where it says nothing. Error: another value.
std::optional<bool> learn_field(const RowObject& message);
/// Whether learn_field() reads the member.
bool is_learn_key(std::string_view key);
/// The name of a role as Falconer calls it, of any that data sets use: "human" is "user". Error: none
/// of them.
std::string usual_role(const std::string& role);
/// "tools" of a row: a list, or JSON text of one. Null where there are none.
RowObject tools_field(const RowObject& object);
/// Error: `value` is, or holds, a number that no JSON can say, or not with all its digits. `name` is what the error
/// calls it.
void check_numbers(const RowObject& value, std::string_view name);
/// "number", "list of 3", ...: for messages, without what may be long.
std::string kind_of(const RowObject& value);

}  // namespace falconer
