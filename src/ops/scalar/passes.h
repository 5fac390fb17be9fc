// The scalar table's passes over activations: norms, and what goes element by element.
#pragma once

#include "base/threads.h"
#include "ops/kernels.h"

namespace falconer::scalar {

template <class F>
void for_rows(int64_t n, F&& work) {
  parallel_for(n, 1, work);
}

void norm_forward_kernel(const NormForward& args);
void norm_backward_x_kernel(const NormBackward& args);
void norm_backward_w_kernel(const NormBackward& args);
void rms_norm_forward_kernel(const RmsNormForward& args);
void rms_norm_backward_x_kernel(const RmsNormBackward& args);
void rms_norm_backward_w_kernel(const RmsNormBackward& args);
void gelu_forward_kernel(const GeluForward& args);
void gelu_backward_kernel(const GeluBackward& args);
void gated_forward_kernel(const GatedForward& args);
void gated_backward_kernel(const GatedBackward& args);
void soft_cap_forward_kernel(const SoftCapForward& args);
void soft_cap_backward_kernel(const SoftCapBackward& args);
void scale_kernel(const Scale& args);
void residual_kernel(const Residual& args);
void affine_forward_kernel(const AffineForward& args);
void affine_backward_kernel(const AffineBackward& args);

}  // namespace falconer::scalar
