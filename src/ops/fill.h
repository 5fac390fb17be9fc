// Random values, counted and not drawn.
#pragma once

#include "base/random.h"
#include "ops/run.h"

namespace falconer {

/// x_i = std normal(i), i counted row after row. x f32 or bf16.
struct NormalFill {
  View x;
  RandomStream stream{0, RandomPurpose::kInit};
  double std = 1;
};
void fill_normal(Run& run, const NormalFill& args);

}  // namespace falconer
