// Formats whose codes of 4 bits stand for values of a table that is not even. Layouts as ggml-common.h has them; codes lie
// as in simple.h, the first half of what a run of bytes holds in its low halves.
//
//   IQ4_NL   d:f16, 16 bytes                                     d t
//   IQ4_XS   d:f16, 8 scales s of 6 bits, 128 bytes              d (s - 32) t
//   MXFP4    e:8 bits, 16 bytes       (OCP's microscaling)       2^(e - 127) f
//   NVFP4    4 scales e:4 m:3 bits, 32 bytes                     s f
//
// t is ggml's table of 16 whole numbers, and f a float of 2 bits of exponent and 1 of mantissa. MXFP4 is written as gguf
// 0.19 (Python) writes it; for IQ4_NL the scale is searched; the others are read.
#pragma once

#include "tensor/blocks/format.h"

namespace falconer {

extern const BlockFormat kFormatIQ4_NL, kFormatIQ4_XS, kFormatMXFP4, kFormatNVFP4;

}  // namespace falconer
