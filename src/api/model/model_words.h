// The shape of a model in words, for people: what inspect says of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/config.h"

namespace falconer {

/// What ("blocks", "norms", "attention", "positions", "mlp", "biases", "head"), and how it is.
std::vector<std::pair<std::string, std::string>> model_words(const ModelConfig& config);

}  // namespace falconer
