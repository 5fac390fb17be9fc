// How a tensor is divided among ranks: by elements, one range for each, whatever its shape is.
#pragma once

#include <cstdint>

namespace falconer {

/// Pieces begin at multiples of this: at the blocks that 8-bit moments share a scale in, and at whole cache lines.
inline constexpr int64_t kPieceBlock = 256;

/// Rank r's piece of n elements: n / ranks of them, but for a block.
struct Pieces {
  int64_t n = 0;
  int ranks = 1;

  constexpr int64_t begin(int rank) const {
    if (rank == ranks) return n;
    const int64_t blocks = (n + kPieceBlock - 1) / kPieceBlock;
    const int64_t at = blocks * rank / ranks * kPieceBlock;
    return at < n ? at : n;
  }
  constexpr int64_t count(int rank) const { return begin(rank + 1) - begin(rank); }
};

}  // namespace falconer
