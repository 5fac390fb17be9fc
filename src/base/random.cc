#include "base/random.h"

#include <cmath>
#include <numbers>

namespace falconer {

float RandomStream::normal(uint64_t i) const {
  const PhiloxBlock words = block(i / 2);
  const uint32_t* pair = words.data() + 2 * (i % 2);
  // (word + 1) / 2^32 lies in (0, 1]: the logarithm never sees 0.
  const double radius = std::sqrt(-2.0 * std::log((pair[0] + 1.0) * 0x1p-32));
  const double angle = 2.0 * std::numbers::pi * (pair[1] * 0x1p-32);
  return static_cast<float>(radius * std::cos(angle));
}

}  // namespace falconer
