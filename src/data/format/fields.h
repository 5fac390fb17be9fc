// Members of a row's object, checked: what the formats share. Errors say what is wrong with the row.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "text/conversation.h"

namespace falconer {

using RowObject = nlohmann::ordered_json;

/// The member, or null where it is missing or null.
const RowObject* find_field(const RowObject& object, const char* key);
/// Error: it is missing, or no string.
std::string text_field(const RowObject& object, const char* key);
/// Empty where it is missing or null.
std::string optional_text_field(const RowObject& object, const char* key);
/// The name of a role as Falconer calls it, of any that data sets use: "human" is "user". Error: none
/// of them.
std::string usual_role(const std::string& role);
/// "tools" of a row: a list, or JSON text of one. Null where there are none.
RowObject tools_field(const RowObject& object);
/// "number", "list of 3", ...: for messages, without what may be long.
std::string kind_of(const RowObject& value);

}  // namespace falconer
