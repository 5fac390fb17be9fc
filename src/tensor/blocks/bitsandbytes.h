// bitsandbytes' formats. Its files keep scales apart from codes (checkpoint/bitsandbytes.h): blocks are made of them when
// a tensor is loaded. 64 values are
//
//   NF4, FP4   their largest magnitude a:f32, 32 bytes of codes      a t       code i in the low half of byte i, code
//                                                                              i + 32 in the high one
//   int8       that of their row s:f32, 64 signed bytes q            q s / 127
//
// t is a table of 16 values: quantiles of a normal distribution, or floats of 4 bits. They are written as bitsandbytes
// 0.50.2 writes them on a CPU, to the bit.
#pragma once

#include "tensor/blocks/format.h"

namespace falconer {

extern const BlockFormat kFormatNF4, kFormatFP4, kFormatInt8;

/// What bitsandbytes multiplies by where it says "/ 127".
inline constexpr float kOneOf127 = 7.874015718698502e-3f;

/// The block of 32 bytes as bitsandbytes has it, its first value in the high half of the first byte, with its scale.
void make_block4(float largest, const std::byte* codes, std::byte* block);
/// The same the other way round; returns the scale.
float split_block4(const std::byte* block, std::byte* codes);

}  // namespace falconer
