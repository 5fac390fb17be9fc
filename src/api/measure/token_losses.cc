#include "api/measure/token_losses.h"

#include <cmath>

#include "base/error.h"
#include "method/finite_weights.h"

namespace falconer {

std::vector<float> token_losses(Session& session, std::span<const std::vector<int32_t>> rows) {
  std::vector<BatchBuffer::Sequence> sequences;
  for (const std::vector<int32_t>& row : rows) sequences.push_back({.ids = row, .labels = row});
  const BatchBuffer buffer = BatchBuffer::for_training(sequences);
  const int64_t n = buffer.batch().target_count();
  if (n == 0) return {};  // nothing is computed
  const Tensor losses(1, n, Dtype::kF32);
  const auto pass = [&](Run& run) { session.decoder().loss(run, buffer.batch(), losses.view()); };
  session.reserve(pass);
  session.make_pass(n, pass);
  const float* values = losses.view().row<float>(0);
  for (int64_t i = 0; i < n; ++i)
    if (!std::isfinite(values[i]))
      fail("the loss of token {} is {}: {}", i + 1, values[i], why_not_finite(session));
  return {values, values + n};
}

}  // namespace falconer
