// A large matrix a band of rows at a time: an f32 copy of all of it would be larger than what is kept.
#pragma once

#include <algorithm>
#include <cstdint>

namespace falconer {

/// Calls `use(first, count)` for rows of a matrix (rows,cols) in order, of about `numbers` numbers each time.
template <class Use>
void for_bands(int64_t rows, int64_t cols, const Use& use, int64_t numbers = 1 << 22) {
  const int64_t band = std::max<int64_t>(1, numbers / std::max<int64_t>(1, cols));
  for (int64_t row = 0; row < rows; row += band) use(row, std::min(band, rows - row));
}

}  // namespace falconer
