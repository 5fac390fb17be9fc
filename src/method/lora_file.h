// LoRA in PEFT's files.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "method/load_tensor.h"
#include "method/lora.h"

namespace falconer {

/// adapter_config.json (only what differs from PEFT's defaults) and the tensors. q and v inside the
/// fused product become one PEFT adapter of rank 2r on it: A stacks q's rows over v's, B is zero
/// outside of the blocks; and so for any of q, k and v. Which of them it is for stands in the metadata of
/// the tensors' file. Ranks, alphas and layers that differ are named by whole modules, so that no key
/// matches two. `modules`: all of the model that could have a LoRA.
SavedAdapter lora_to_peft(const MethodOptions& options, const LoraHooks& hooks,
                          const std::vector<std::string>& modules, const BaseChanges& changes);

/// Names as PEFT has them in files, where they are those of a model with an adapter in it
/// ("lora_A.default.weight").
void plain_lora_names(TensorFiles& files);

/// Modules that transformers calls otherwise since version 5 (GPT-NeoX's head) get today's names in `files`,
/// and, where these had the others, in what is returned for adapter_config.json.
nlohmann::ordered_json with_todays_names(nlohmann::ordered_json config, TensorFiles& files);

/// A method for what `files` holds, with rank and scale per module as `config` says. Errors: those of
/// PeftConfig; a rank that is not that of the tensors.
std::unique_ptr<Method> lora_from_peft(const nlohmann::ordered_json& config,
                                       const std::string& where, const TensorFiles& files,
                                       MethodOptions& options);
void load_peft_lora(AdapterReader& reader, const LoraHooks& hooks);

}  // namespace falconer
