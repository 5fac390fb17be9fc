// What is wrong with the numbers of a file.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/tensor_file.h"
#include "model/config.h"

namespace falconer {

struct TensorNumbers {
  int64_t tensors = 0;
  std::string not_finite;             // the first tensor that is not
  std::vector<std::string> all_zero;  // never trained, or trained to nothing
};
/// Reads every value.
TensorNumbers numbers_in(const TensorFiles& files);

/// Error: a weight of the checkpoint is NaN or infinite. More than 2 GB of them are not read for it, which is
/// said.
void refuse_broken_weights(const std::string& checkpoint, const ModelConfig& config);

}  // namespace falconer
