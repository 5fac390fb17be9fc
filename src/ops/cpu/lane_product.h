// The product with a matrix whose rows lie side by side in blocks (lane_matrix.h), in whole numbers: 8 bits for
// activations, sums in 32.
#pragma once

#include "ops/linear.h"

namespace falconer::cpu {

/// linear_forward by `args.lanes`, for any number of rows. Rows of x are rounded to 8 bits in groups of 32 columns, each
/// to half a step of 1/127 of its group's largest magnitude; products and sums within a group are exact, and sums over
/// groups f32. What one row gives does not depend on the others.
void lane_product(const LinearForward& args);

/// As Kernels has them.
int64_t lane_bytes(Dtype dtype, int64_t rows, int64_t cols);
void pack_lanes(const View& w, const View& lanes);

}  // namespace falconer::cpu
