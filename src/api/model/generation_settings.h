// What a checkpoint's generation_config.json says.
#pragma once

#include <filesystem>
#include <optional>

#include "falconer/use.h"

namespace falconer {

/// What the file says goes to `settings`; the rest stays as it is. Returns its "do_sample". Error: a value that cannot
/// be.
std::optional<bool> take_generation_config(const std::filesystem::path& file,
                                           SamplingSettings& settings);

}  // namespace falconer
