// A factor on activations: multipliers of embeddings and of logits.
#pragma once

#include "ops/run.h"

namespace falconer {

/// x *= factor, f32 or bf16. The gradient is scaled alike: no backward of its own.
struct Scale {
  View x;
  float factor = 1;
};
void scale(Run& run, const Scale& args);

}  // namespace falconer
