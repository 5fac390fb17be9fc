// The rotation of positions, as a config.json has it.
#pragma once

#include "model/arch/json_fields.h"

namespace falconer {

/// What transformers' class of a family takes of it.
struct RopeDefaults {
  double base = 10000;
  /// The key, beside those for scaling, that says which share of a head is rotated; null: all of it is, and the
  /// class does not look.
  const char* share_key = nullptr;
  double share = 1;  // where nothing says how much
};

/// Reads base, rotated dimensions and scaling of `m`, whose head size and context are known: from
/// transformers 5's "rope_parameters", from the "rope_scaling" of before, which wins where both are there,
/// and from what stands beside them. Settings for kinds of layers apart ("full_attention",
/// "sliding_attention") are taken as well. A share that the family does not know is left out, with a warning.
/// Errors: a type that is not supported, numbers that cannot be, or that are missing and that transformers
/// wants.
void read_rope(const ConfigFields& f, ModelConfig& m, const RopeDefaults& defaults = {});

}  // namespace falconer
