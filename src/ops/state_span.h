// Rows of a sequence that a recurrence goes over, and where what it carries on is kept.
#pragma once

#include <cstdint>
#include <span>

#include "base/error.h"

namespace falconer {

/// Rows begin .. begin + count - 1 belong to one sequence. `slot`: the row of the ops' memories (states, tails) that the
/// sequence's own is kept in, read unless `first` says that these are its first rows, and written behind the last one;
/// -1: it begins with zeros, and nothing is kept. `copy_slot`, where it is not -1: what stands behind the first
/// `copy_after` rows (whole chunks, or all) is written there as well, for sequences that begin alike.
struct StateSpan {
  int64_t begin = 0, count = 0;
  int64_t slot = -1;
  bool first = true;
  int64_t copy_after = 0, copy_slot = -1;

  constexpr bool continues() const { return slot >= 0 && !first; }
};

/// Spans lie in `rows` rows, and their slots in `slots` of a memory.
inline void check_spans(std::span<const StateSpan> spans, int64_t rows, int64_t slots) {
  for (const StateSpan& s : spans) {
    FALCONER_CHECK(s.begin >= 0 && s.count >= 0 && s.begin + s.count <= rows);
    FALCONER_CHECK(s.slot >= -1 && s.slot < slots);
    FALCONER_CHECK(s.copy_slot >= -1 && s.copy_slot < slots);
    FALCONER_CHECK(s.copy_after >= 0 && s.copy_after <= s.count);
  }
}

}  // namespace falconer
