// Tensors of the base itself in an adapter's file: PEFT saves embeddings and head along where it takes
// the vocabulary for a resized one, and the weight under a LoRA of the head.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "model/params.h"

namespace falconer {

/// Their names in `adapter`. `base` opens the base's tensors, or gives null where it has none; it is
/// called where there are such tensors. Errors: one is not what the base has, or there is nothing to
/// compare it with.
std::set<std::string> base_copies(const TensorFiles& adapter, const Weights& declared,
                                  const std::function<const TensorFiles*()>& base);

}  // namespace falconer
