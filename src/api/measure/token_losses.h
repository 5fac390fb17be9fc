// What a model makes of the next token, everywhere in rows: the one measure behind scores, perplexity and options.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "method/session.h"

namespace falconer {

/// -ln p of every token behind the first one of each row, given those before it, row behind row: one pass for all of
/// them. Rows must fit into the context. Error: a loss is not finite (the tensor that it comes from is named).
std::vector<float> token_losses(Session& session, std::span<const std::vector<int32_t>> rows);

}  // namespace falconer
