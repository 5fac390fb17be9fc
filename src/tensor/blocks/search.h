// Scales of groups of values, by least squares: what formats are written with whose scales no other program's rule gives.
#pragma once

#include <cstdint>

namespace falconer {

/// Some values x with what each one's squared error counts; at most kMostSearched.
struct Weighted {
  const float* x;
  const float* weight;
  int64_t count;
};
inline constexpr int64_t kMostSearched = 64;

struct ScaleMinimum {
  float scale = 0, minimum = 0;
};

enum class AnyMinimum { kNo, kYes };

/// The scale s, of either sign, with about the least sum of weight * (x - s q)^2, q being the best whole number from
/// `lowest` to `most` for each value. 0 where all values are.
float searched_scale(const Weighted& values, int lowest, int most);

/// As above with x - (s q - m), q from 0 to `most`, s >= 0, and m >= 0 unless any may be.
ScaleMinimum searched_scale_minimum(const Weighted& values, int most, AnyMinimum any);

/// The sum of weight * (x - (s q - m))^2 with the best q from `lowest` to `most`.
float error_with(const Weighted& values, ScaleMinimum chosen, int lowest, int most);

/// These best q.
void codes_with(const Weighted& values, ScaleMinimum chosen, int lowest, int most, int8_t* codes);

}  // namespace falconer
