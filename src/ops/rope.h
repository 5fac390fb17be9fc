// Rotary position embedding (Su et al., RoFormer, 2021), in the half-split form of GPT-NeoX.
#pragma once

#include "ops/heads.h"
#include "ops/run.h"

namespace falconer {

// For a head x at position p, i < R/2 and angle a = p / base^(2i/R):
//   y_i = x_i cos a - x_{i+R/2} sin a        y_{i+R/2} = x_{i+R/2} cos a + x_i sin a
// Dimensions R .. D-1 pass through. A rotation's transpose is its inverse, so the gradient is
// rotated by -a.
//
// positions (1,N) i32, all below the table's rows; table (positions, R): R/2 cosines, then R/2
// sines, f32.

/// In place.
struct Rope {
  Heads x;
  View positions, table;
  bool inverse = false;  // the backward
};

void rope(Run& run, const Rope& args);

/// Fills a table for `table.rows` positions.
void rope_table(Run& run, const View& table, double base);

}  // namespace falconer
