// The order that the rows of a fused query, key, value matrix come in.
#pragma once

#include <vector>

#include "model/modules.h"

namespace falconer {

/// Row ranges of q, k and v in a Hugging Face checkpoint's order, which is ours: for each group its
/// queries, its key, its value, or all of each (config.qkv).
std::vector<SitePart> qkv_parts(const ModelConfig& config);

}  // namespace falconer
