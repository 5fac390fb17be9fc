// The state-space scan in chunks: small products in f32.
#pragma once

#include "ops/scan.h"

namespace falconer::cpu {

void scan_forward(const ScanForward& args);
void scan_backward(const ScanBackward& args);

}  // namespace falconer::cpu
