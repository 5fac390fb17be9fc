// What a model computes for a row of ids: logits, and the hidden states before them.
#pragma once

#include <cstdint>
#include <span>

#include "method/session.h"

namespace falconer {

/// ids.size() x vocab in f32: row i is about the token behind ids[0..i]. Errors: no ids, one outside of the
/// vocabulary, more than the context, a logit that is not finite (the tensor that it comes from is named).
Tensor logits_of(Session& session, std::span<const int32_t> ids);
/// The same, whatever its numbers are.
Tensor unchecked_logits_of(Session& session, std::span<const int32_t> ids);

/// (layers + 1) times ids.size() x width in f32, below each other, as Decoder::hidden_states() has them.
/// Errors: as of logits_of(), but numbers may be whatever they are.
Tensor hidden_states_of(Session& session, std::span<const int32_t> ids);

}  // namespace falconer
