// Passes over activations, element by element.
#pragma once

#include "ops/affine.h"
#include "ops/embedding.h"
#include "ops/gelu.h"
#include "ops/linear.h"
#include "ops/residual.h"
#include "ops/rope.h"

namespace falconer::cpu {

void convert(const View& from, const View& to);
void residual(const Residual& args);
void gelu_forward(const GeluForward& args);
void gelu_backward(const GeluBackward& args);
void affine_forward(const AffineForward& args);
void affine_backward(const AffineBackward& args);
void rope(const Rope& args);
void embedding_forward(const EmbeddingForward& args);
/// db (1,M) += the sum of dy's rows.
void column_sums(const LinearBackward& args);

}  // namespace falconer::cpu
