// What the program must know of a model family: how to read its config.json and what its tensors
// are called.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace falconer {

/// Module names: a tensor is the module and ".weight" or ".bias".
struct TopNames {
  std::string embedding, norm, head;
};
struct LayerNames {
  std::string norm1, norm2, qkv, dense, up, down;
};

struct Architecture {
  std::string name;
  std::vector<std::string> model_types;  // values of "model_type" in config.json
  TopNames top;
  /// `where` names the file in error messages.
  ModelConfig (*read_config)(const nlohmann::json& json, const std::string& where);
  LayerNames (*layer)(const ModelConfig& config, int64_t index);
  /// Buffers that files of this family hold and that are recomputed: rotary frequencies, masks, a
  /// tied head.
  bool (*ignores)(std::string_view tensor);
  /// Changes what is recorded in config.json, for a model that was changed: a head untied, biases
  /// added.
  void (*write_config)(const ModelConfig& config, nlohmann::json& json);
};

/// By its name. Internal error where there is none: names come from read_model_config.
const Architecture& architecture(std::string_view name);
/// Every known architecture, in the order of the table.
const std::vector<const Architecture*>& architectures();

/// Reads a folder's config.json by the architecture that its model_type names.
/// Errors: missing, not JSON, an unknown model_type (the known ones are listed), a shape that
/// cannot be.
ModelConfig read_model_config(const std::string& folder);

}  // namespace falconer
