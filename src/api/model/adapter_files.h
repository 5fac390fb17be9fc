// An adapter's tensors into a file, and what was written compared with them.
#pragma once

#include "checkpoint/tensor_writer.h"
#include "method/method.h"

namespace falconer {

std::vector<TensorSpec> specs_of(const SavedAdapter& saved, Dtype dtype);
/// Writes all of them, and commits. Errors: a number is NaN or infinity, or beyond the dtype.
void write_tensors(const SavedAdapter& saved, TensorWriter& writer);
/// Error: a tensor of the file at `path` differs from what rounding to `dtype` gives, or is missing.
void compare_with_file(const SavedAdapter& saved, Dtype dtype, const std::string& path);

/// adapter_config.json and adapter_model.safetensors, into a folder that is there.
void write_adapter_folder(const std::filesystem::path& folder, const SavedAdapter& saved,
                          Dtype dtype = Dtype::kF32);

}  // namespace falconer
