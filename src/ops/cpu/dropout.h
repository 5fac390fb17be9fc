// Dropout with many blocks of random numbers at once, bit for bit as the definition has them.
#pragma once

#include "ops/dropout.h"

namespace falconer::cpu {

void dropout(const Dropout& args);

}  // namespace falconer::cpu
