// OLoRA (Büyükakyüz, 2024) as PEFT loads it: what the adapter began with is taken out of the base.
#pragma once

#include <string>

#include "tensor/view.h"

namespace falconer {

/// W (M,K) f32 in host memory becomes W - s Q Q' W. Q (M,r) is an orthonormal basis of W's first r columns,
/// the first columns of W = Q R; PEFT begins with B = Q and A the first r rows of R. Error: these columns
/// depend on each other, so that PEFT's Q is left to chance (`module` names W).
void take_olora_out(const View& w, int64_t rank, double scale, const std::string& module);

}  // namespace falconer
