// A model's files, whichever of the forms they have: a Hugging Face folder, a folder of LitGPT or
// Lit-Parrot, or a GGUF file. All are read in place, under Hugging Face's names.
#pragma once

#include <string>

#include "checkpoint/tensor_file.h"
#include "model/config.h"

namespace falconer {

/// Whether there are weights, or a config.json alone.
bool has_weights(const std::string& path);

/// The tensors under our names, put together of the file's where it has them in other pieces; `config` is what
/// read_model_config() gave for the path. Errors: there are none, or they are malformed.
TensorFiles open_weights(const std::string& path, const ModelConfig& config);

/// A head that differs from the embedding is the model's own, whatever config.json says (a warning
/// says so).
void settle_head(const std::string& path, const TensorFiles& files, ModelConfig& config);

/// The text of a Hugging Face config.json: the folder's own, or one made for the other forms.
std::string config_json_of(const std::string& path, const ModelConfig& config);

}  // namespace falconer
