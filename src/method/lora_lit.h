// LoRA in LitGPT's and Lit-Parrot's files, read and written. There, rank and alpha are one for the
// whole model, and what has a LoRA is the same in every layer.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "method/load_tensor.h"
#include "method/lora.h"

namespace falconer {

/// What a file holds, as LORA_QV's adapter_config.json would say it: "r", "lora_alpha",
/// "lora_targets". `settings` is the hyperparameters.yaml beside it, or an empty object: a file
/// alone does not say its alpha (16, the default there), nor which of q, k and v its rows are for (q
/// and v). Null where the file holds no LoRA. Errors: settings (of the file `where`) that are not what
/// they should be, or of another rank than the tensors.
nlohmann::ordered_json lit_lora_config(const TensorFiles& files, const nlohmann::json& settings,
                                       const std::string& where);

/// lora_A [nr,C] and lora_B [rows,r] on the fused matrix, for n of q, k and v with their rows one
/// behind the other; [r,in] and [out,r] elsewhere.
std::unique_ptr<Method> lora_from_lit(const nlohmann::ordered_json& config,
                                      const std::string& where, MethodOptions& options);
void load_lit_lora(AdapterReader& reader, const LoraHooks& hooks, const ModelConfig& config);

/// The same the other way. Layers and matrices that have none get zeros where LitGPT must have one;
/// smaller ranks are filled with zeros; scales that differ go into B: the product is the same.
/// config_json holds "lora_r", "lora_alpha" and which matrices take part. Errors: DoRA; for
/// Lit-Parrot anything but q and v.
SavedAdapter lora_to_lit(AdapterForm form, const MethodOptions& options, const ModelConfig& config,
                         const LoraHooks& hooks);

}  // namespace falconer
