// The shape of a model as a GGUF's metadata has it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_writer.h"
#include "model/config.h"

namespace falconer {

/// Errors: an architecture that is not known, a key is missing, a setting that is not supported.
ModelConfig read_gguf_config(const Gguf& gguf);

/// Whether read_gguf_config() knows what it says that it is.
bool knows_gguf_architecture(const Gguf& gguf);

/// "llama" of a Mistral, which llama.cpp computes as one: what "general.architecture" says.
const char* gguf_architecture(const ModelConfig& config);

/// "falcon.block_count" and so on. Errors: check_gguf_model()'s. Warnings: what a GGUF says and llama.cpp
/// does not compute (windows of Mistral and Phi-3).
void add_gguf_config(const ModelConfig& config, GgufMetadata& metadata);
/// Error: llama.cpp cannot compute this model, by what it has not.
void check_gguf_model(const ModelConfig& config);

/// Whether llama.cpp wants a head in the file, also where it is the embedding.
bool gguf_has_head(const ModelConfig& config);

/// Tensors beside the weights, by which rotary frequencies are divided: of llama3 and longrope.
inline constexpr const char* kGgufRotations[] = {"rope_freqs.weight", "rope_factors_long.weight",
                                                 "rope_factors_short.weight"};
/// A vector by its name.
using GgufAddition = std::pair<std::string, std::vector<float>>;
/// Those that a model has, and what llama.cpp asks for where the model has none: zeros.
std::vector<GgufAddition> gguf_additions(const ModelConfig& config);

}  // namespace falconer
