// Two models that should be the same, compared by what they say.
#pragma once

#include <string>

#include "tensor/dtype.h"

namespace falconer {

struct ModelFiles {
  std::string checkpoint, adapter;
};

/// Logits of both models for a fixed row of ids. Returns a line for people. Error: they differ by
/// more than rounding weights to `dtype` does; `out` names what is not to be used.
std::string compare_logits(const ModelFiles& before, const ModelFiles& after, Dtype dtype,
                           const std::string& out);

}  // namespace falconer
