// ggml's first formats: a block is 32 values with a scale in f16. Layouts as ggml-common.h has them; numbers lie in
// little-endian order, and 32 codes of 4 bits in 16 bytes: code i in the low half of byte i, code i + 16 in the high one.
//
//   Q8_0   d:f16, 32 signed bytes q                 d q
//   Q4_0   d:f16, 16 bytes of codes                 d (q - 8)
//   Q4_1   d:f16, m:f16, 16 bytes of codes          d q + m
//   Q5_0   d:f16, 32 fifth bits, 16 bytes of codes  d (q - 16)
//   Q5_1   d:f16, m:f16, 32 fifth bits, 16 bytes    d q + m
//
// Without importances they are written as gguf 0.19 (Python) writes them, to the byte; with them the scale is searched.
#pragma once

#include "tensor/blocks/format.h"

namespace falconer {

extern const BlockFormat kFormatQ8_0, kFormatQ4_0, kFormatQ4_1, kFormatQ5_0, kFormatQ5_1;

}  // namespace falconer
