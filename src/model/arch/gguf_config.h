// The shape of a model as a GGUF's metadata has it.
#pragma once

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_writer.h"
#include "model/config.h"

namespace falconer {

/// Errors: another architecture than "falcon", a key is missing.
ModelConfig read_gguf_config(const Gguf& gguf);

/// "falcon.block_count" and so on. Error: a model that llama.cpp's Falcon cannot compute (ALiBi,
/// biases, one branch after the other).
void add_gguf_config(const ModelConfig& config, GgufMetadata& metadata);
/// The same error, before anything else is done.
void check_gguf_model(const ModelConfig& config);

}  // namespace falconer
