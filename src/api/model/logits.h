// What a model computes for a row of ids: logits, and the hidden states before them.
#pragma once

#include <cstdint>
#include <span>

#include "method/session.h"

namespace falconer {

/// Error (usage): the model has no place for `ids`. `what` is wanted, which are about something.
void check_row(const ModelConfig& config, std::span<const int32_t> ids, const char* what);

/// ids.size() x vocab in f32: row i is about the token behind ids[0..i]. Errors: no ids, one outside of the
/// vocabulary, more than the context, a logit that is not finite (the tensor that it comes from is named).
Tensor logits_of(Session& session, std::span<const int32_t> ids);
/// The same, whatever its numbers are.
Tensor unchecked_logits_of(Session& session, std::span<const int32_t> ids);

/// (layers + 1) times ids.size() x width in f32, below each other, as Decoder::hidden_states() has them.
/// Errors: as of logits_of(), but numbers may be whatever they are.
Tensor hidden_states_of(Session& session, std::span<const int32_t> ids);

}  // namespace falconer
