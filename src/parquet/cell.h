// A stored value as JSON: what its logical type means.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "parquet/schema.h"
#include "parquet/values.h"

namespace falconer::parquet {

/// Text, numbers and booleans as they are. Decimals are their digits as text, so that none is lost. Dates and
/// times are ISO 8601: "2024-02-29", "12:30:00.000001", "2024-02-29T12:30:00Z" ("Z" where the file says UTC).
/// A UUID is its usual text. JSON is parsed. Bytes without a type are text, whatever they are.
/// What is wrong with the value and not with the file is put into `wrong`, where nothing is yet.
nlohmann::ordered_json cell_of(const Value& value, const Leaf& leaf, std::string& wrong);

}  // namespace falconer::parquet
