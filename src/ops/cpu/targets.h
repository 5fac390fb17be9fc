// Instruction sets that kernels are compiled for: a portable baseline, AVX2 and AVX512. Those
// between would be the same again. Included before anything of Highway's.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
