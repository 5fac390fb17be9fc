// The readable definition of rotary position embedding.
#pragma once

#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Rows of x, in place.
template <class A>
void rope(HeadsMat<A> x, const int32_t* positions, Mat<const Real<A>> table, bool inverse,
          int64_t begin, int64_t end, bool interleaved = false) {
  using R = Real<A>;
  const int64_t half = table.cols / 2;
  for (int64_t n = begin; n < end; ++n) {
    const Real<A>* angles = table.row(positions[n]);
    for (int64_t h = 0; h < x.groups * x.per_group; ++h) {
      A* head = x.head(n, h);
      for (int64_t i = 0; i < half; ++i) {
        const R cosine = angles[i];
        const R sine = inverse ? R(0) - angles[half + i] : angles[half + i];
        A& first = head[interleaved ? 2 * i : i];
        A& second = head[interleaved ? 2 * i + 1 : i + half];
        const R a = R(first), b = R(second);
        first = A(a * cosine - b * sine);
        second = A(b * cosine + a * sine);
      }
    }
  }
}

}  // namespace falconer::scalar
