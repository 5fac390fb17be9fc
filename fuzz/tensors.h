// What targets that open files of tensors share.
#pragma once

#include <string>

#include "checkpoint/tensor_file.h"

namespace falconer::fuzz {

/// Reads every byte, and the last row of those that hold real numbers.
void read_all(const TensorFiles& files);

/// A safetensors file: its header, and so many bytes behind it.
std::string safetensors_of(const std::string& header, size_t bytes);

}  // namespace falconer::fuzz
