#include "api/model/logits.h"

#include "base/error.h"
#include "method/finite_weights.h"
#include "tensor/finite.h"
#include "text/token_ids.h"

namespace falconer {

void check_row(const ModelConfig& config, std::span<const int32_t> ids, const char* what) {
  const int64_t n = static_cast<int64_t>(ids.size());
  if (n == 0) fail_usage("there are no ids: {}", what);
  if (n > config.context) fail_usage("{} ids, and the model's context is {}", n, config.context);
  check_token_ids(ids, config.vocab, "the row", true);
}

namespace {

BatchBuffer checked_row(const ModelConfig& config, std::span<const int32_t> ids, const char* what) {
  check_row(config, ids, what);
  const BatchBuffer::Sequence sequence{.ids = ids, .labels = {}};
  return BatchBuffer::for_training({&sequence, 1});
}

}  // namespace

Tensor unchecked_logits_of(Session& session, std::span<const int32_t> ids) {
  const ModelConfig& config = session.config();
  const BatchBuffer buffer = checked_row(config, ids, "logits are about what follows a token");
  const int64_t n = static_cast<int64_t>(ids.size());
  Tensor out(n, config.vocab, Dtype::kF32), rows(1, n, Dtype::kI32);
  for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
  const auto pass = [&](Run& run) {
    session.decoder().logits(run, buffer.batch(), rows.view(), out.view());
  };
  session.reserve(pass);
  // A device makes them chunk by chunk.
  session.make_pass(session.device() != nullptr ? n : 1, pass);
  return out;
}

Tensor logits_of(Session& session, std::span<const int32_t> ids) {
  Tensor out = unchecked_logits_of(session, ids);
  if (const auto found = first_not_finite(out.view()))
    fail("a logit of token {} is {}: {}", found->row, found->value, why_not_finite(session));
  return out;
}

Tensor hidden_states_of(Session& session, std::span<const int32_t> ids) {
  const ModelConfig& config = session.config();
  const BatchBuffer buffer = checked_row(config, ids, "a token has hidden states");
  Tensor out((config.layers + 1) * static_cast<int64_t>(ids.size()), config.width, Dtype::kF32);
  const auto pass = [&](Run& run) {
    session.decoder().hidden_states(run, buffer.batch(), out.view());
  };
  session.reserve(pass);
  pass(session.run());
  return out;
}

}  // namespace falconer
