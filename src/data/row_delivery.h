// Where rows of files go, one by one.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"

namespace falconer {

/// Receives each object with its number, see counted_by().
using OnRawRow = std::function<void(const nlohmann::ordered_json& object, int64_t line)>;
/// What is wrong with a row of a file, both of which it names: nobody has to say which row it was.
struct RowError : Error {
  using Error::Error;
};
/// Receives what is wrong with a row; throws a RowError, or counts and lets reading go on.
using OnBadRow = std::function<void(int64_t line, const std::string& what)>;

/// A conversation without an object around it: the first element has a "role" or a "from".
bool is_list_of_messages(const nlohmann::ordered_json& json);

/// Of such a list: whether it has "from" and "value", as ShareGPT has it.
bool is_list_of_turns(const nlohmann::ordered_json& json);

/// Gives it to `row`, a list of messages as {"messages": list} or {"conversations": list}, and what is wrong with it then to `bad`: it is no object, or `row` throws an Error.
void deliver_row(const nlohmann::ordered_json& object, int64_t line, const OnRawRow& row,
                 const OnBadRow& bad);

}  // namespace falconer
