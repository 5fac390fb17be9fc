// The rotation of positions, as a config.json has it.
#pragma once

#include "model/arch/json_fields.h"

namespace falconer {

/// Reads base, rotated dimensions and scaling of `m`, whose head size and context are known: from
/// transformers 5's "rope_parameters", from the "rope_scaling" of before, which wins where both are there,
/// and from what stands beside them. Settings for kinds of layers apart ("full_attention",
/// "sliding_attention") are taken as well. `usual_share` of a head is rotated where nothing says how much.
/// Errors: a type that is not supported, numbers that cannot be.
void read_rope(const ConfigFields& f, ModelConfig& m, double usual_share = 1);

}  // namespace falconer
