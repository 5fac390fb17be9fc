// The readable definition of cross entropy.
#pragma once

#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Rows of losses and dlogits.
template <class R, class D>
void cross_entropy(Mat<const R> logits, const int32_t* targets, Mat<R> losses, Mat<D> dlogits,
                   R scale, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    R most = logits(n, 0), total = 0;
    for (int64_t v = 1; v < logits.cols; ++v)
      if (most < logits(n, v)) most = logits(n, v);
    for (int64_t v = 0; v < logits.cols; ++v) total += exp(logits(n, v) - most);
    losses(n, 0) = log(total) + most - logits(n, targets[n]);
    if (!dlogits) continue;
    for (int64_t v = 0; v < logits.cols; ++v) {
      const R p = exp(logits(n, v) - most) / total;
      dlogits(n, v) = D(scale * (v == targets[n] ? p - R(1) : p));
    }
  }
}

}  // namespace falconer::scalar
