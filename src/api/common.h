// What several commands need: a checkpoint's tokenizer, settings of the process.
#pragma once

#include <optional>
#include <string>

#include "text/tokenizer.h"

namespace falconer {

/// Nothing where the folder has no tokenizer.json.
std::optional<Tokenizer> find_tokenizer(const std::string& folder);

}  // namespace falconer
