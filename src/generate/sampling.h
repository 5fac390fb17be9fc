// Choosing the next token from its logits.
#pragma once

#include <cstdint>
#include <span>

namespace falconer {

struct SamplingOptions {
  double temperature = 0.8;  // 0: the most likely token
  int64_t top_k = 50;        // 0: all
  double top_p = 1;          // 0: the most likely token
  uint64_t seed = 1;
};

/// The token with the largest logit, the first of equals.
int32_t most_likely(std::span<const float> logits);

/// Token number `index` of stream `stream`: a pure function of its arguments. Keeps exactly top_k
/// tokens (of equal logits those with lower ids), divides by the temperature, then keeps the
/// smallest set of most likely tokens whose share is at least top_p, and draws one. Error: a logit
/// that is not finite.
int32_t sample(std::span<const float> logits, const SamplingOptions& options, uint32_t stream,
               uint64_t index);

}  // namespace falconer
