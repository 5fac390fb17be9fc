// optimizer.safetensors of a checkpoint: what the optimizer keeps, and weights that learn in more bits than the
// model's files have.
#pragma once

#include <filesystem>
#include <vector>

#include "train/whole_tensors.h"

namespace falconer {

/// In the order in which they are saved.
std::vector<RankTensor> optimizer_tensors(Session& session);

/// With all ranks; the first one writes.
void save_optimizer(const std::filesystem::path& path, Session& session);

/// Puts the optimizer's state (and the f32 values of trainable tensors) back. The session was
/// opened on the checkpoint's model or adapter. Errors: another set of tensors.
void restore_optimizer(const std::filesystem::path& checkpoint, Session& session);

}  // namespace falconer
