// What every part of a model makes of a row of ids, in a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "method/session.h"

namespace falconer {

/// A safetensors file with the tensors of one pass over `ids`, in f32 and each with a row for each id:
/// embedding; for each layer N layers.N.input_norm, .attention, .mlp_norm (where there is one), .mlp, .block;
/// final_norm; logits. Its metadata says which ids, checkpoint, adapter and precision. Tensors go to the file
/// as they are made, none is kept. Errors: as of logits_of(), but numbers may be whatever they are.
void write_activations(Session& session, std::span<const int32_t> ids,
                       const std::filesystem::path& path);

}  // namespace falconer
