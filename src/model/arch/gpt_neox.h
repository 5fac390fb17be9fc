// GPT-NeoX, Pythia, StableLM-alpha and RedPajama-INCITE.
#pragma once

#include "model/arch/architecture.h"

namespace falconer {

const Architecture& gpt_neox_architecture();

}  // namespace falconer
