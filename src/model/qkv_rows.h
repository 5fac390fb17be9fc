// The orders that the rows of a fused query, key, value matrix come in.
#pragma once

#include <vector>

#include "model/modules.h"

namespace falconer {

/// Row ranges of q, k and v in a Hugging Face checkpoint's order, which is ours: for each group its
/// queries, its key, its value, or all of each (config.qkv).
std::vector<SitePart> qkv_parts(const ModelConfig& config);

/// LitGPT and llama.cpp have all queries, then all keys, then all values. `ours_in_parts`: which
/// rows of ours to read, in their order; `parts_in_ours`: which of theirs, in ours. Empty where both
/// orders are the same, which is so with one group and where ours has all of each.
std::vector<RowRange> ours_in_parts(const ModelConfig& config);
std::vector<RowRange> parts_in_ours(const ModelConfig& config);

}  // namespace falconer
