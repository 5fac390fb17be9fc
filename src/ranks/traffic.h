// What a rank sends, by what it is for: the one place that says how much a call of Ranks comes to.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ranks/pieces.h"

namespace falconer {

/// Bytes of one rank, to all others together.
struct Traffic {
  int64_t weights = 0;          // its pieces, to layers that compute
  int64_t gradients = 0;        // its part of the sums that others keep
  int64_t whole_gradients = 0;  // the sums that it keeps, where all need the whole
  int64_t values = 0;           // what it updated, where all hold the whole

  int64_t total() const { return weights + gradients + whole_gradients + values; }
  Traffic& operator+=(const Traffic& other) {
    weights += other.weights;
    gradients += other.gradients;
    whole_gradients += other.whole_gradients;
    values += other.values;
    return *this;
  }
  Traffic& operator-=(const Traffic& other) {
    weights -= other.weights;
    gradients -= other.gradients;
    whole_gradients -= other.whole_gradients;
    values -= other.values;
    return *this;
  }
};

/// What `rank` sends in Ranks::gather(), of elements of so many bytes.
constexpr int64_t sent_to_gather(const Pieces& pieces, int rank, size_t element) {
  return pieces.count(rank) * static_cast<int64_t>(element) * (pieces.ranks - 1);
}
/// And in Ranks::reduce().
constexpr int64_t sent_to_reduce(const Pieces& pieces, int rank) {
  return (pieces.n - pieces.count(rank)) * static_cast<int64_t>(sizeof(float));
}

}  // namespace falconer
