// Rotary position embedding (Su et al., RoFormer, 2021), in the half-split form of GPT-NeoX and in the
// interleaved one of GPT-J.
#pragma once

#include <span>
#include <vector>

#include "ops/heads.h"
#include "ops/run.h"

namespace falconer {

// For a head x at position p, i < R/2 and angle a = p f_i with f_i = 1 / base^(2i/R), or a scaled
// frequency (model/rope_frequencies.h):
//   y_i = x_i cos a - x_{i+R/2} sin a        y_{i+R/2} = x_{i+R/2} cos a + x_i sin a
// and interleaved the same of x_{2i} and x_{2i+1}. Dimensions R .. D-1 pass through. A rotation's
// transpose is its inverse, so the gradient is rotated by -a; a factor on the table is one on both.
//
// positions (1,N) i32, all below the table's rows; table (positions, R): R/2 cosines, then R/2
// sines, f32.

/// In place.
struct Rope {
  Heads x;
  View positions, table;
  bool inverse = false;      // the backward
  bool interleaved = false;  // pairs (2i, 2i+1): Cohere, GPT-J
};

void rope(Run& run, const Rope& args);

/// base^(2i/R) for i < R/2, every step in f32, as the reference has it.
std::vector<float> rope_periods(int64_t dims, double base);

/// Fills a table for `table.rows` positions from R/2 frequencies; `factor` is on cosines and sines.
void rope_table(Run& run, const View& table, std::span<const float> frequencies, float factor = 1);
/// The same with frequencies 1 / base^(2i/R).
void rope_table(Run& run, const View& table, double base);

}  // namespace falconer
