// ggml's smallest formats, which are read alone: a code stands for 4 or 8 values at once, a row of a table. A block is 256
// values. Layouts as ggml-common.h has them; what a byte holds is in load() of each.
//
//   IQ2_XXS, IQ2_XS, IQ2_S   8 values of 8, 25, 43, with signs        groups of 32, 16, 16
//   IQ3_XXS, IQ3_S           4 values of 8 sizes, with signs          groups of 32
//   IQ1_S, IQ1_M             8 values of -1, 0, 1, each +- 1/8        groups of 32, 16
#pragma once

#include "tensor/blocks/format.h"

namespace falconer {

extern const BlockFormat kFormatIQ1_S, kFormatIQ1_M, kFormatIQ2_XXS, kFormatIQ2_XS, kFormatIQ2_S,
    kFormatIQ3_XXS, kFormatIQ3_S;

}  // namespace falconer
