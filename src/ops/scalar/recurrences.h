// The scalar table's kernels that go along a sequence.
#pragma once

#include "ops/kernels.h"

namespace falconer::scalar {

void conv1d_forward_kernel(const Conv1dForward& args);
void conv1d_backward_kernel(const Conv1dBackward& args);
void scan_forward_kernel(const ScanForward& args);
void scan_backward_kernel(const ScanBackward& args);

}  // namespace falconer::scalar
