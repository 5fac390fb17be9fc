#include "tensor/finite.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"

namespace falconer {
namespace {

/// Whether one of the numbers has all bits of its exponent. No early end: this way it is vectors.
template <class Bits>
bool any_without_end(const Bits* bits, int64_t count, Bits exponent) {
  Bits found = 0;
  for (int64_t i = 0; i < count; ++i)
    found = static_cast<Bits>(found | static_cast<Bits>((bits[i] & exponent) == exponent));
  return found != 0;
}

/// By way of its numbers: a scale that is none leaves none of them.
bool any_in_blocks(const View& values, int64_t row) {
  constexpr int64_t kPart = 1024;
  float part[kPart];
  for (int64_t j = 0; j < values.cols; j += kPart) {
    const int64_t n = std::min(kPart, values.cols - j);
    copy_converted(values.row_range(row, 1).col_range(j, n), {part, 1, n, n, Dtype::kF32});
    int32_t found = 0;
    for (int64_t k = 0; k < n; ++k)
      found |= static_cast<int32_t>(!(std::fabs(part[k]) <= std::numeric_limits<float>::max()));
    if (found != 0) return true;
  }
  return false;
}

bool any_in_row(const View& values, int64_t row) {
  if (is_blocks(values.dtype)) return any_in_blocks(values, row);
  const int64_t n = values.cols;
  const void* at = values.at(row);
  switch (values.dtype) {
    case Dtype::kF32:
      return any_without_end<uint32_t>(static_cast<const uint32_t*>(at), n, 0x7f800000u);
    case Dtype::kBF16:
      return any_without_end<uint16_t>(static_cast<const uint16_t*>(at), n, 0x7f80u);
    case Dtype::kF16:
      return any_without_end<uint16_t>(static_cast<const uint16_t*>(at), n, 0x7c00u);
    case Dtype::kF64:
      return any_without_end<uint64_t>(static_cast<const uint64_t*>(at), n, 0x7ff0000000000000u);
    default:
      FALCONER_CHECK(!"a dtype without numbers that are none");
  }
  return false;
}

}  // namespace

std::optional<NotFinite> first_not_finite(const View& values) {
  FALCONER_CHECK(values.device == nullptr);
  for (int64_t i = 0; i < values.rows; ++i) {
    if (!any_in_row(values, i)) continue;
    // A number that f32 cannot hold is none here: everything is computed in f32 or less.
    const std::vector<float> row = host_values(values.row_range(i, 1));
    const auto found =
        std::find_if(row.begin(), row.end(), [](float x) { return !std::isfinite(x); });
    if (found != row.end())
      return NotFinite{i, found - row.begin(), std::isnan(*found) ? std::fabs(*found) : *found};
  }
  return {};
}

}  // namespace falconer
