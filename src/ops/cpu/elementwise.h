// Passes over activations, element by element.
#pragma once

#include <algorithm>

#include "ops/affine.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/residual.h"
#include "ops/rope.h"
#include "ops/scale.h"

namespace falconer::cpu {

/// Rows that make a thread worth its start: about 16 K elements.
inline int64_t grain_of(int64_t cols) {
  return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, cols));
}

void convert(const View& from, const View& to);
void residual(const Residual& args);
void scale(const Scale& args);
void affine_forward(const AffineForward& args);
void affine_backward(const AffineBackward& args);
void rope(const Rope& args);
void embedding_forward(const EmbeddingForward& args);
/// db (1,M) += the sum of dy's rows.
void column_sums(const LinearBackward& args);

}  // namespace falconer::cpu
