// Token ids against a model's rows for them.
#pragma once

#include <cstdint>
#include <span>

namespace falconer {

/// Error, or one of usage: an id is none of the model's. `what` has them: "the prompt".
void check_token_ids(std::span<const int32_t> ids, int64_t vocab, const char* what,
                     bool of_usage = false);

}  // namespace falconer
