// LoRA in PEFT's files.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "method/lora.h"

namespace falconer {

/// A whole number of adapter_config.json; `otherwise` where it is not there. Error: it is no number of
/// anything.
int64_t whole_number(const nlohmann::json& config, const char* key, int64_t otherwise);

/// adapter_config.json (only what differs from PEFT's defaults) and the tensors. q and v inside the
/// fused product become one PEFT adapter of rank 2r on it: A stacks q's rows over v's, B is zero
/// outside of the blocks; and so for any of q, k and v.
SavedAdapter lora_to_peft(const MethodOptions& options, const LoraHooks& hooks);

/// A method for what `files` holds, with rank and scale per module as `config` says (rank and alpha
/// patterns too). Where B is zero outside of the blocks of some of q, k and v, as lora_to_peft
/// writes it, it stays so. Errors: features of PEFT that are not supported, by name.
std::unique_ptr<Method> lora_from_peft(const nlohmann::json& config, const std::string& where,
                                       const TensorFiles& files, MethodOptions& options);
void load_peft_lora(const TensorFiles& files, const LoraHooks& hooks);

}  // namespace falconer
