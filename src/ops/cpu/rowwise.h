// Passes that reduce over a row: norms and cross entropy; and the optimizers.
#pragma once

#include "ops/loss.h"
#include "ops/norm.h"
#include "ops/optimizer.h"
#include "ops/rms_norm.h"

namespace falconer::cpu {

void norm_forward(const NormForward& args);
void norm_backward_x(const NormBackward& args);
void norm_backward_w(const NormBackward& args);
void rms_norm_forward(const RmsNormForward& args);
void rms_norm_backward_x(const RmsNormBackward& args);
void rms_norm_backward_w(const RmsNormBackward& args);
void cross_entropy(const CrossEntropy& args);
void adamw(const AdamW& args);
void sgd(const Sgd& args);

}  // namespace falconer::cpu
