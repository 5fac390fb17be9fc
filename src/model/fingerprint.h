// What tells one base model from another, whichever files hold it.
#pragma once

#include <string>

#include "checkpoint/tensor_file.h"
#include "model/config.h"

namespace falconer {

/// A hash over the names and shapes of a model's tensors and over 16 rows of each, spread evenly and
/// rounded to bf16. The same model has the same one as safetensors or PyTorch files, in a folder of
/// LitGPT or as GGUF, in bf16 or widened to f32. Empty where values are quantized, which changes all
/// of them. `config` is as settle_head() left it. Reads a few megabytes. Error: a tensor is missing
/// or has another shape.
std::string weights_fingerprint(const TensorFiles& files, const ModelConfig& config);

/// The same for a checkpoint at `path`.
std::string weights_fingerprint(const std::string& path);

}  // namespace falconer
