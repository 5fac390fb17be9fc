// What one pass of the decoder reads: tokens of several sequences laid end to end.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "ops/attention.h"
#include "ops/state_span.h"
#include "tensor/buffer.h"

namespace falconer {

/// ids, positions (1,N) i32; targets: for each of the n rows in target_rows, ascending, the next
/// token (1,n) i32. cache_rows (1,N) i32 says where in a cache each token's key and value go; empty
/// without a cache.
struct Batch {
  View ids, positions, cache_rows;
  std::vector<AttentionSpan> spans;
  std::vector<StateSpan> states;  // as many: what mixers that carry a state are told
  std::vector<int32_t> pages;     // of spans that have any
  std::vector<int64_t> lengths;   // of each span's sequence, where it goes beyond this batch
  View target_rows, targets;
  int32_t least_id = 0, most_id = 0;  // of ids and targets

  int64_t tokens() const { return ids.size(); }
  int64_t target_count() const { return targets.size(); }
  /// How long the sequence of spans[i] is.
  int64_t length(size_t i) const {
    return lengths.empty() ? spans[i].kv_count : std::max(lengths[i], spans[i].kv_count);
  }
};

/// A batch with its own memory.
class BatchBuffer {
 public:
  /// One sequence: `labels` is as long as `ids` (labels[i + 1] is predicted at i; negative: nothing
  /// to learn), or empty.
  struct Sequence {
    std::span<const int32_t> ids, labels;
  };
  /// Sequences end to end, each with its own causal range and positions from 0.
  static BatchBuffer for_training(std::span<const Sequence> sequences);

  /// For generation: `ids` continue a sequence of which `past` tokens are in a cache's `pages`, where the new ones have
  /// room too. `length`: of the whole that they are a part of, which may be more than is there by now.
  struct Continuation {
    std::span<const int32_t> ids;
    std::span<const int32_t> pages;
    int64_t past = 0, length = 0;
    /// Where its state is kept, and where it is copied to behind the first `copy_after` of `ids` (StateSpan).
    int64_t slot = -1, copy_after = 0, copy_slot = -1;
  };
  static BatchBuffer for_generation(std::span<const Continuation> sequences);

  const Batch& batch() const { return batch_; }

 private:
  Tensor ids_, positions_, cache_rows_, target_rows_, targets_;
  Batch batch_;
};

/// A batch of the given sizes, of at most so many sequences, for a dry run: its memory must not be touched.
Batch measuring_batch(int64_t tokens, int64_t targets, int64_t sequences = 1);

}  // namespace falconer
