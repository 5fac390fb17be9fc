// Row norms of W + s B A for DoRA (Liu et al., 2024), without forming that matrix.
#pragma once

#include "ops/run.h"

namespace falconer {

// With U = A W' (R,M) and S = A A' (R,R):
//   |W_o + s B_o A|^2 = |W_o|^2 + 2 s B_o . U_o + s^2 B_o S B_o'
// The norm is treated as a constant by backward, as the paper and PEFT do.

/// out_m = sum_k w_mk^2.   w (M,K) any float dtype, out (1,M) f32.
struct RowSquares {
  View w, out;
};
/// w_squares (1,M), u (R,M), b (M,R), gram (R,R), norms (1,M), all f32. `norms` overwrites.
struct DoraNorms {
  View w_squares, u, gram, b, norms;
  float scale = 1;
};

/// out_m = a_m / b_m, or += where add: DoRA's factor from its magnitude, and the magnitude's
/// gradient. (1,M) f32.
struct Divide {
  View a, b, out;
  bool add = false;
};

void row_squares(Run& run, const RowSquares& args);
void dora_norms(Run& run, const DoraNorms& args);
void divide(Run& run, const Divide& args);

}  // namespace falconer
