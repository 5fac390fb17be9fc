// A table of kernels that looks at what each of them wrote: the first number that is not finite
// stops the run where it arose.
#pragma once

#include "ops/kernels.h"

namespace falconer {

/// `kernels`, which must outlive the program, and after each a look at what it wrote. The Error names
/// the op, the tensor, and where in it the number is. Each thread has one: a later call in it replaces what
/// is watched, and the table ends with its thread. On a device each look waits for the device and copies the tensor.
const Kernels& watched_kernels(const Kernels& kernels);

}  // namespace falconer
