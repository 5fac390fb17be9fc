// What evaluate measured, for people.
#pragma once

#include <string>

#include "falconer/use.h"

namespace falconer {

/// Metrics, perplexity, and differences between models where there are several.
std::string tables_of(const EvaluateReport& report);

}  // namespace falconer
