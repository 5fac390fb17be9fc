#include "api/model/logits.h"

#include "base/error.h"
#include "method/finite_weights.h"
#include "tensor/finite.h"

namespace falconer {

Tensor unchecked_logits_of(Session& session, std::span<const int32_t> ids) {
  const ModelConfig& config = session.config();
  const int64_t n = static_cast<int64_t>(ids.size());
  if (n == 0) fail_usage("there are no ids: logits are about what follows a token");
  if (n > config.context) fail_usage("{} ids, and the model's context is {}", n, config.context);
  for (const int32_t id : ids)
    if (id < 0 || id >= config.vocab)
      fail_usage("there is a token {}, expected 0 to {}", id, config.vocab - 1);
  const BatchBuffer::Sequence sequence{.ids = ids, .labels = {}};
  const BatchBuffer buffer = BatchBuffer::for_training({&sequence, 1});
  Tensor out(n, config.vocab, Dtype::kF32), rows(1, n, Dtype::kI32);
  for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
  const auto pass = [&](Run& run) {
    session.decoder().logits(run, buffer.batch(), rows.view(), out.view());
  };
  session.reserve(pass);
  pass(session.run());
  return out;
}

Tensor logits_of(Session& session, std::span<const int32_t> ids) {
  Tensor out = unchecked_logits_of(session, ids);
  if (const auto found = first_not_finite(out.view()))
    fail("a logit of token {} is {}: {}", found->row, found->value, why_not_finite(session));
  return out;
}

}  // namespace falconer
