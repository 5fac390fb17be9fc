// Numbers rounded to whole ones of 8 bits in groups that share a scale: each to half a step, which is 1/127 of its group's
// largest magnitude. Where a group has a number that is not finite its scale is none; below 1e-30 it is nothing.
#pragma once

#include <cstdint>

namespace falconer::cpu {

/// `count` numbers, a multiple of 16, as codes from -127 to 127; gives their scale.
float round_group(const float* from, int64_t count, int8_t* codes);

/// Each column of `from`, rows `stride` apart, as a group: their scales, and codes plus 128: four rows' side by side, columns
/// behind each other, and `step` bytes on those of the next four rows. `cols` is a multiple of the vectors' numbers (of 16); rows that are missing
/// in the last four are 0.
void round_columns(const float* from, int64_t rows, int64_t cols, int64_t stride, uint8_t* codes,
                   int64_t step, float* scales);

}  // namespace falconer::cpu
