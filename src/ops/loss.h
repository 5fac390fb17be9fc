// Cross entropy of next tokens, with its gradient in the same pass.
#pragma once

#include "ops/run.h"

namespace falconer {

//   loss_n = log sum_v exp z_nv - z_n,target(n)
//   dz_nv = scale (softmax(z_n)_v - [v = target(n)])
//
// logits (n,V) f32; targets (1,n) i32 in [0,V); losses (n,1) f32; dlogits (n,V) of any float dtype,
// may be the logits themselves where f32, or empty.

struct CrossEntropy {
  View logits, targets, losses, dlogits;
  float scale = 1;
};
void cross_entropy(Run& run, const CrossEntropy& args);

}  // namespace falconer
