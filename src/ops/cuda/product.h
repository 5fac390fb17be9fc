// Matrix products on the device: what is asked for, and who may answer.
#pragma once

#include "ops/cuda/name.h"
#include "ops/linear.h"

namespace falconer::FALCONER_GPU {

/// c = scale op(a) op(b), or c += where add, and + bias per column of c. c is n x m, op(a) n x k,
/// op(b) k x m, all row after row in memory; a transposed operand lies as k x n or m x k.
struct Product {
  View a, b, c, bias;
  bool a_transposed = false, b_transposed = false;
  float scale = 1;
  bool add = false;

  int64_t n() const { return c.rows; }
  int64_t m() const { return c.cols; }
  int64_t k() const { return a_transposed ? a.rows : a.cols; }
};

/// Rows that small_product() takes.
constexpr int64_t kSmallRows = 8;
/// A few rows: bound by reading w once. A row's result does not depend on the rows beside it.
void small_product(const LinearForward& args);

/// Our own kernel for everything else: any dtypes, any alignment.
void tile_product(const Product& product);

/// cuBLASLt; false where it has nothing for these dtypes or shapes.
bool library_product(const Product& product);

}  // namespace falconer::FALCONER_GPU
