// The logits of a row of ids.
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

}  // namespace falconer
