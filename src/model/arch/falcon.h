// Falcon 7B, 40B, 180B and RW, under the names that their config.json files have had.
#pragma once

#include <nlohmann/json.hpp>

#include "model/arch/architecture.h"

namespace falconer {

const Architecture& falcon_architecture();

/// A config.json for a model that came without one.
nlohmann::ordered_json falcon_config_json(const ModelConfig& config);

}  // namespace falconer
