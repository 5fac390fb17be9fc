// What the program must know of a model family: how to read its config.json and what its tensors
// are called.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/modules.h"

namespace falconer {

struct Architecture {
  std::string name;
  std::vector<std::string> model_types;  // values of "model_type" in config.json
  /// `where` names the file in error messages.
  ModelConfig (*read_config)(const nlohmann::json& json, const std::string& where);
  /// What its modules are called: a tensor is the module and ".weight" or ".bias".
  ModuleNames (*names)(const ModelConfig& config);
  /// Buffers that files of this family hold and that are recomputed: rotary frequencies, masks, a
  /// tied head.
  bool (*ignores)(std::string_view tensor);
  /// Changes what is recorded in config.json, for a model that was changed: a head untied, biases
  /// added.
  void (*write_config)(const ModelConfig& config, nlohmann::json& json);
  /// A config.json for a model that came without one, which read_config gives the same of. Error: it cannot
  /// say what the model has.
  nlohmann::ordered_json (*config_json)(const ModelConfig& config);
  /// Modules that files call otherwise than transformers' class does (and PEFT, and Falconer), the class's
  /// name first.
  std::vector<std::pair<std::string, std::string>> names_in_files = {};
  /// An answer that goes beyond longrope's original context is read again from its beginning, with the
  /// frequencies of long sequences; in the other families its keys stay.
  bool reads_again = false;
};

/// By its name. Internal error where there is none: names come from read_model_config.
const Architecture& architecture(std::string_view name);
/// Every known architecture, in the order of the table.
const std::vector<const Architecture*>& architectures();

/// The shape of a model: by the architecture that the model_type of a folder's config.json names, by
/// the settings of a LitGPT folder, or by the metadata of a GGUF file.
/// Errors: missing, malformed, an unknown architecture (the known ones are listed), a shape that
/// cannot be. (In model/open_model.cc.)
ModelConfig read_model_config(const std::string& path);

/// What files of the family call a tensor of ours.
std::string name_in_files(const ModelConfig& config, const std::string& tensor);
/// A name, or text with names in it (a regular expression), as Falconer has them, of one as files have them.
std::string name_from_files(const Architecture& arch, std::string text);

/// The first of these three.
ModelConfig read_hugging_face_config(const std::string& folder);
/// Error: sizes that cannot be. `where` names the file.
void check_shape(const ModelConfig& config, const std::string& where);

}  // namespace falconer
