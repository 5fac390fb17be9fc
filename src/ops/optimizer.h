// One step of an optimizer on one tensor.
#pragma once

#include "base/random.h"
#include "ops/run.h"

namespace falconer {

// AdamW (Loshchilov and Hutter, 2019) in the order of operations of torch.optim.AdamW, with g the
// gradient times grad_scale, step counted from 1:
//   w <- w (1 - lr decay)      m <- m + (1 - beta1)(g - m)      v <- beta2 v + (1 - beta2) g g
//   w <- w - lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
// computed in f32; the constants are formed in double and rounded once, as torch does: 1 - beta2 in f32
// would be off by 5e-5.
//
// What is kept may be smaller. A w in bf16 is rounded stochastically (round_stochastic), element i with bits
// 16 (i % 2) .. of word i / 2 of `rounding`. Moments in 8 bits (moment_code.h) are decoded, used for w
// as they become, and coded again.

struct AdamW {
  View w, g;                                        // f32 or bf16; f32
  View m, v;                                        // both f32, or both u8 with
  View m_scale, v_scale;                            // f32, one for each kMomentBlock elements
  RandomStream rounding{0, RandomPurpose::kRound};  // of a piece of a tensor: from its block on
  double lr = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, grad_scale = 1;
  int64_t step = 1;
};

/// w <- w - lr (g + decay w), as torch.optim.SGD; a w in bf16 is rounded as above.
struct Sgd {
  View w, g;
  RandomStream rounding{0, RandomPurpose::kRound};
  double lr = 0, weight_decay = 0, grad_scale = 1;
};

void adamw(Run& run, const AdamW& args);
void sgd(Run& run, const Sgd& args);

/// Sum of squares in f64, in one fixed order at any thread count. Not finite where an element is
/// not.
double sum_of_squares(Run& run, const View& x);

}  // namespace falconer
