// generation_config.json: what a model's authors say of generating with it.
#pragma once

#include <filesystem>

#include "model/config.h"

namespace falconer {

/// The ids that end a generation, and the one that begins a text, go before those of config.json where
/// the file of the folder names any. Errors: it is there and no JSON object, or an id that cannot be.
void read_generation_config(const std::filesystem::path& folder, ModelConfig& config);

}  // namespace falconer
