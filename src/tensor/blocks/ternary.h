// ggml's formats of the three values -d, 0 and d. A block is 256 of them; layouts as ggml-common.h has them.
//
//   TQ1_0   48 bytes of 5 digits to the base of 3, 4 bytes of 4, d:f16
//   TQ2_0   64 bytes of 4 codes, d:f16
#pragma once

#include "tensor/blocks/format.h"

namespace falconer {

extern const BlockFormat kFormatTQ1_0, kFormatTQ2_0;

}  // namespace falconer
