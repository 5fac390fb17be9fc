// What a row's object may look like: a table of formats, each recognised by its keys.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>

#include "data/dataset.h"

namespace falconer {

/// Token ids already, or text to be tokenized.
using ParsedRow = std::variant<Row, Example>;

/// Formats: {"input_ids", "labels"?}, {"instruction", "input"?, "output"}, {"prompt",
/// "completion"}, {"text"}. `vocab` bounds ids. Errors say what is wrong with the row; the caller
/// knows file and line.
ParsedRow parse_row(const nlohmann::json& object, int64_t vocab);

}  // namespace falconer
