// Counts in messages: "1 row", "2 rows".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace falconer {

/// What stands behind the number `n`: `one` where it is 1, else `many`, which is `one` with an "s" where
/// it is not given.
template <class Count>
std::string plural(Count n, std::string_view one, std::string_view many = {}) {
  if (n == 1) return std::string(one);
  return many.empty() ? std::string(one) + "s" : std::string(many);
}

}  // namespace falconer
