// The CPU table: oneDNN products and Highway kernels. What is not overridden here is too small to
// matter, and stays with the readable definition.
#include "ops/cpu/activations.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/conv1d.h"
#include "ops/cpu/dropout.h"
#include "ops/cpu/elementwise.h"
#include "ops/cpu/lane_product.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/rowwise.h"
#include "ops/cpu/scan.h"
#include "ops/cpu/sums.h"
#include "ops/cpu/turned_product.h"
#include "ops/cpu/whole_product.h"
#include "ops/kernels.h"

namespace falconer {

const Kernels& cpu_kernels() {
  static const Kernels table = [] {
    Kernels made = scalar_kernels();
    made.name = "cpu";
    made.convert = cpu::convert;
    made.linear_forward = cpu::linear_forward;
    made.linear_backward_x = cpu::linear_backward_x;
    made.linear_backward_w = cpu::linear_backward_w;
    made.linear_backward_b = cpu::column_sums;
    made.embedding_forward = cpu::embedding_forward;
    made.norm_forward = cpu::norm_forward;
    made.norm_backward_x = cpu::norm_backward_x;
    made.norm_backward_w = cpu::norm_backward_w;
    made.rms_norm_forward = cpu::rms_norm_forward;
    made.rms_norm_backward_x = cpu::rms_norm_backward_x;
    made.rms_norm_backward_w = cpu::rms_norm_backward_w;
    made.rope = cpu::rope;
    made.attention_forward = cpu::attention_forward;
    made.attention_delta = cpu::attention_delta;
    made.attention_backward = cpu::attention_backward;
    made.prefix_attention_forward = cpu::prefix_attention_forward;
    made.prefix_attention_backward = cpu::prefix_attention_backward;
    made.conv1d_forward = cpu::conv1d_forward;
    made.conv1d_backward = cpu::conv1d_backward;
    made.scan_forward = cpu::scan_forward;
    made.scan_backward = cpu::scan_backward;
    made.gelu_forward = cpu::gelu_forward;
    made.gelu_backward = cpu::gelu_backward;
    made.gated_forward = cpu::gated_forward;
    made.gated_backward = cpu::gated_backward;
    made.soft_cap_forward = cpu::soft_cap_forward;
    made.soft_cap_backward = cpu::soft_cap_backward;
    made.scale = cpu::scale;
    made.residual = cpu::residual;
    made.affine_forward = cpu::affine_forward;
    made.affine_backward = cpu::affine_backward;
    made.dropout = cpu::dropout;
    made.cross_entropy = cpu::cross_entropy;
    made.adamw = cpu::adamw;
    made.sgd = cpu::sgd;
    made.sum_of_squares = cpu::sum_of_squares;
    made.row_squares = cpu::row_squares;
    made.lane_bytes = cpu::lane_bytes;
    made.pack_lanes = cpu::pack_lanes;
    made.whole_bytes = cpu::whole_bytes;
    made.turned_bytes = cpu::turned_bytes;
    return made;
  }();
  return table;
}

}  // namespace falconer
