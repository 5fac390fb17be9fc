// The families beside Falcon's, a file for each: what registry.cc lists.
#pragma once

#include "model/arch/architecture.h"

namespace falconer {

const Architecture& cohere_architecture();
const Architecture& falcon_h1_architecture();
const Architecture& gemma_architecture();
const Architecture& gemma2_architecture();
const Architecture& gemma3_architecture();
const Architecture& gpt_neox_architecture();
const Architecture& llama_architecture();
const Architecture& mistral_architecture();
const Architecture& olmo2_architecture();
const Architecture& phi3_architecture();
const Architecture& qwen2_architecture();
const Architecture& qwen3_architecture();
const Architecture& stablelm_architecture();
const Architecture& starcoder2_architecture();

}  // namespace falconer
