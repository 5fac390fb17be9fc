// What a model is computed in.
#pragma once

#include <string>

#include "checkpoint/tensor_file.h"

namespace falconer {

enum class Precision { kAuto, kF32, kBF16 };

/// "auto", "f32", "bf16". Error (usage): anything else.
Precision parse_precision(const std::string& name);

/// The dtype of activations, and one line that says why, for people: empty where there is nothing to
/// say, because it was asked for or all matrices are of that dtype.
struct ComputedIn {
  Dtype activation = Dtype::kF32;
  std::string why;
};

/// What `precision` comes to for the tensors of a checkpoint. "auto" loses no bit of a weight: bf16
/// where every matrix is bf16, else f32, which bf16 and f16 matrices are widened to as products read
/// them. Vectors do not count: they are f32 in every run. What is in blocks is unpacked into bf16,
/// because f32 would take twice the memory; that is said.
ComputedIn computed_in(Precision precision, const TensorFiles& files);

}  // namespace falconer
