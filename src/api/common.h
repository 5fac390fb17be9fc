// What several commands need: a checkpoint's tokenizer, settings of the process.
#pragma once

#include <optional>
#include <string>

#include "text/tokenizer.h"

namespace falconer {

/// Of a model's folder or GGUF file. Nothing where it has none.
std::optional<Tokenizer> find_tokenizer(const std::string& model);
/// Error where it has none.
Tokenizer load_tokenizer(const std::string& model);

}  // namespace falconer
