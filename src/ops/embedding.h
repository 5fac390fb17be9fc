// Rows of a table by id, and rows gathered by position.
#pragma once

#include "ops/run.h"

namespace falconer {

// y_n = W_{id(n)}, so dW_i = sum over n with id(n) = i of dy_n.
// ids (1,N) i32, each in [0, V), checked by the caller who knows where they came from; W (V,C); y
// (N,C).

/// y is of the activation's dtype, W f32, bf16 or f16.
struct EmbeddingForward {
  View ids, w, y;
};

/// dW (f32) adds, in the order of n at any thread count.
struct EmbeddingBackward {
  View ids, dy, dw;
};

void embedding_forward(Run& run, const EmbeddingForward& args);
void embedding_backward(Run& run, const EmbeddingBackward& args);

// The same for rows of activations: y_n = x_{index(n)}; each row is taken at most once, so its
// gradient is dx_{index(n)} = dy_n and 0 in rows that were not taken.

struct GatherForward {
  View x, index, y;
};
/// dx overwrites.
struct GatherBackward {
  View dy, index, dx;
};

void gather_forward(Run& run, const GatherForward& args);
void gather_backward(Run& run, const GatherBackward& args);

}  // namespace falconer
