// Falcon 7B, 40B, 180B and RW, under the names that their config.json files have had.
#pragma once

#include "model/arch/architecture.h"

namespace falconer {

const Architecture& falcon_architecture();

}  // namespace falconer
