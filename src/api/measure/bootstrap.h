// How far a mean over rows can be trusted.
#pragma once

#include <cstdint>
#include <span>

#include "falconer/use.h"

namespace falconer {

/// The mean of `values`, and the 2.5th and 97.5th percentile of the means of 1,000 resamples with replacement (Efron's
/// percentile bootstrap). The same seed draws the same rows; a paired difference is the estimate of the rows'
/// differences. 0 without values.
Estimate bootstrap(std::span<const double> values, uint64_t seed);

}  // namespace falconer
