// ggml's K-quants: a block is 256 values in groups whose scales are codes themselves, of one or two scales in f16. Layouts
// as ggml-common.h has them; what a byte holds is in load() of each.
//
//   Q2_K   16 groups of 16, s:4 and m:4 bits             d s q - e m     q 0 .. 3
//   Q3_K   16 groups of 16, s:6 bits, less 32            d s q           q -4 .. 3
//   Q4_K   8 groups of 32, s:6 and m:6 bits              d s q - e m     q 0 .. 15
//   Q5_K   8 groups of 32, s:6 and m:6 bits              d s q - e m     q 0 .. 31
//   Q6_K   16 groups of 16, s:8 bits, signed             d s q           q -32 .. 31
#pragma once

#include "tensor/blocks/format.h"

namespace falconer {

extern const BlockFormat kFormatQ2_K, kFormatQ3_K, kFormatQ4_K, kFormatQ5_K, kFormatQ6_K;

}  // namespace falconer
