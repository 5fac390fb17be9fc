// The device's table: every member by name. One that is left out is null, and fails a test.
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {

const Kernels& kernels() {
  static const Kernels table = {
      .name = "cuda",
      .convert = convert,
      .set_zero = set_zero,
      .linear_forward = linear_forward,
      .linear_backward_x = linear_backward_x,
      .linear_backward_w = linear_backward_w,
      .linear_backward_b = linear_backward_b,
      .embedding_forward = embedding_forward,
      .embedding_backward = embedding_backward,
      .gather_forward = gather_forward,
      .gather_backward = gather_backward,
      .norm_forward = norm_forward,
      .norm_backward_x = norm_backward_x,
      .norm_backward_w = norm_backward_w,
      .rms_norm_forward = rms_norm_forward,
      .rms_norm_backward_x = rms_norm_backward_x,
      .rms_norm_backward_w = rms_norm_backward_w,
      .rope = rope,
      .attention_forward = attention_forward,
      .attention_delta = attention_delta,
      .attention_backward = attention_backward,
      .cache_store = cache_store,
      .prefix_attention_forward = prefix_attention_forward,
      .prefix_attention_backward = prefix_attention_backward,
      .conv1d_forward = conv1d_forward,
      .conv1d_backward = conv1d_backward,
      .scan_forward = scan_forward,
      .scan_backward = scan_backward,
      .gelu_forward = gelu_forward,
      .gelu_backward = gelu_backward,
      .gated_forward = gated_forward,
      .gated_backward = gated_backward,
      .soft_cap_forward = soft_cap_forward,
      .soft_cap_backward = soft_cap_backward,
      .scale = scale,
      .residual = residual,
      .affine_forward = affine_forward,
      .affine_backward = affine_backward,
      .dropout = dropout,
      .cross_entropy = cross_entropy,
      .adamw = adamw,
      .sgd = sgd,
      .sum_of_squares = sum_of_squares,
      .row_squares = row_squares,
      .dora_norms = dora_norms,
      .divide = divide,
      .fill_normal = fill_normal,
      .lane_bytes = [](Dtype, int64_t, int64_t) { return int64_t{0}; },
      .pack_lanes = [](const View&, const View&) {},
      .whole_bytes = [](int64_t, int64_t) { return int64_t{0}; },
      .turned_bytes = [](int64_t, int64_t, int64_t) { return int64_t{0}; },
  };
  return table;
}

}  // namespace falconer::FALCONER_GPU
