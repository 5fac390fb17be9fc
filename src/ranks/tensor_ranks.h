// Calls by which ranks put tensors together and sum them, wherever these lie: the host's memory (ranks.h), or a
// GPU's (nccl/nccl_ranks.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "ranks/pieces.h"

namespace falconer {

/// Calls are queued, and done in order while the caller computes. Every rank makes the same calls in the same order.
/// Sums are formed rank by rank, from 0 on, in f32: the same bytes every time, however a message is cut, and
/// wherever it lies. Memory that a call was given stays untouched until it was waited for. What went wrong is thrown
/// by the next wait(), and by all after it.
class TensorRanks {
 public:
  virtual ~TensorRanks() = default;

  /// Names a queued call; waiting for one waits for all before it. 0: nothing to wait for.
  using Ticket = uint64_t;
  /// `whole` has pieces.n elements of `element` bytes, of which this rank's piece is there: all of them then.
  virtual Ticket gather(void* whole, const Pieces& pieces, size_t element) = 0;
  /// home[i] += the sum over all ranks of whole[begin + i], for this rank's piece.
  virtual Ticket reduce(const float* whole, const Pieces& pieces, float* home) = 0;
  /// On a device it is the work that is queued next that waits.
  virtual void wait(Ticket ticket) = 0;
};

}  // namespace falconer
