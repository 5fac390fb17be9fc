// Tensors of the base itself in an adapter's file: PEFT saves embeddings and head along where it takes
// the vocabulary for a resized one, and the weight under a LoRA of the head.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "method/method.h"
#include "model/params.h"

namespace falconer {

/// The base's name of a tensor that PEFT saved ("base_model.model.lm_head.base_layer.weight"); empty where the
/// base has none of that name.
std::string name_in_base(const std::string& name, const Weights& declared);

/// The names in `adapter` of those that are what the base has, but for those that `method` keeps. `base` opens
/// the base's tensors, or gives null where it has none; it is called where there are such tensors.
std::set<std::string> base_copies(const TensorFiles& adapter, const Weights& declared,
                                  const Method& method,
                                  const std::function<const TensorFiles*()>& base);

}  // namespace falconer
