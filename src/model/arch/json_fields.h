// Reading the fields of a config.json, whose names have changed over the years.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/json_number.h"
#include "model/arch/limits.h"
#include "model/config.h"

namespace falconer {

using ConfigFields = JsonFields<nlohmann::json>;

/// A warning, the first time that this text is said: files are read again and again.
void warn_once(const std::string& text);

/// An object within `json`; an empty one where it is missing or another kind.
const nlohmann::json& object_in(const nlohmann::json& json, const char* key);

/// The ids that end a text, and the one that begins it: a number, a list of them or null. A negative
/// id stands for none, as in transformers.
void read_token_ids(const nlohmann::json& json, const std::string& where, ModelConfig& config);

}  // namespace falconer
