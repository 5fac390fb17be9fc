// LoRA as llama.cpp reads it.
#pragma once

#include "method/lora.h"

namespace falconer {

/// "blk.0.attn_qkv.weight.lora_a" [r,in] and ".lora_b" [out,r], the rows of the fused matrix in
/// llama.cpp's order. It computes alpha / r with one alpha and the rank that each pair has: alpha is
/// that of the first (so that rank-stabilised scales go into it), and what others differ goes into
/// their B. config_json holds "alpha". Errors: DoRA; a head that is tied; a model that llama.cpp
/// cannot compute.
SavedAdapter lora_to_gguf(const ModelConfig& config, const LoraHooks& hooks);

}  // namespace falconer
