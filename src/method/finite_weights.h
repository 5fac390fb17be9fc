// Which number of a model is none, when what it computed is none.
#pragma once

#include <optional>
#include <string>

#include "method/session.h"

namespace falconer {

/// The first tensor of the model or of its adapter that holds NaN or infinity, with its place and what to do. Reads
/// every weight.
std::optional<std::string> not_finite_weight(Session& session);

/// For the end of a message: the first tensor of the model or of its adapter that holds NaN or
/// infinity, with its place and what to do; or that all are finite, and what else it may be. Reads
/// every weight.
std::string why_not_finite(Session& session);

}  // namespace falconer
