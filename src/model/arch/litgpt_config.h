// The settings of a LitGPT or Lit-Parrot folder: model_config.yaml or lit_config.json.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/config.h"

namespace falconer {

/// Whether the folder is to be read as LitGPT's: it has such settings, and lit_model.pth or no
/// config.json of Hugging Face.
bool is_lit_folder(const std::filesystem::path& folder);

/// The family is the one that has such norms, such an MLP and such a rotation; of those that differ in
/// nothing else (LLaMA, Mistral, Phi-3) the one that "name" begins with. Errors: a setting is missing, or
/// has a value that no family here has. The head counts as tied: only the tensors can tell.
ModelConfig read_lit_config(const std::filesystem::path& folder);

/// The fields that both formats share: LitGPT's Config takes them as they are. Error: a model that
/// LitGPT does not have, by what it lacks.
nlohmann::ordered_json lit_config_json(const ModelConfig& config, const std::string& name);
/// The same as YAML.
std::string lit_config_yaml(const nlohmann::ordered_json& json);

/// The name by which LitGPT knows the shape, which its converters and its norms look at: they look for
/// "falcon" and "7b" (one norm) or "40b" (two), for "Gemma" and so on.
std::string lit_model_name(const ModelConfig& config);

/// Error: a family that Lit-Parrot of 2023 did not have.
void check_lit_parrot(const ModelConfig& config);

}  // namespace falconer
