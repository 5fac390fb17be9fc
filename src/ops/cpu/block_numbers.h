// The numbers of a matrix in blocks, for products that read numbers.
#pragma once

#include "tensor/view.h"

namespace falconer::cpu {

/// copy_converted() from rows in blocks to f32 or bf16, on the thread that calls it, to the same bits.
void numbers_of_blocks(const View& from, const View& to);
/// The numbers of a matrix of any dtype, in f32.
void numbers_as_f32(const View& from, const View& to);

}  // namespace falconer::cpu
