// The device's side of every member of the table of kernels: each checks nothing, queues kernels
// and returns.
#pragma once

#include "ops/cuda/gpu.h"
#include "ops/kernels.h"

namespace falconer::FALCONER_GPU {

// elementwise.cu
void convert(const View& from, const View& to);
void set_zero(const View& x);
void scale(const Scale& args);
void residual(const Residual& args);
void affine_forward(const AffineForward& args);
void affine_backward(const AffineBackward& args);
void dropout(const Dropout& args);
void divide(const Divide& args);
void fill_normal(const NormalFill& args);

// activations.cu
void gelu_forward(const GeluForward& args);
void gelu_backward(const GeluBackward& args);
void gated_forward(const GatedForward& args);
void gated_backward(const GatedBackward& args);
void soft_cap_forward(const SoftCapForward& args);
void soft_cap_backward(const SoftCapBackward& args);

// sums.cu: sums over rows are added in one order, whatever the device
/// out_c += sum_n x_nc
void add_columns(const View& x, const View& out);
/// out_c += scale_c sum_n x_nc
void add_scaled_columns(const View& x, const View& scale, const View& out);
/// out_c += sum_n x_nc y_nc; the dtypes may differ
void add_products(const View& x, const View& y, const View& out);
/// dw_c += sum_n dy_nc (x_nc - m_n) r_n
void add_norm_products(const View& dy, const View& x, const View& stats, const View& out);
/// dw_c += sum over rows n and heads h of dy_nhc x_nhc r_nh
void add_rms_products(const Heads& dy, const Heads& x, const View& stats, const View& out);
double sum_of_squares(const View& x);
void row_squares(const RowSquares& args);
void dora_norms(const DoraNorms& args);

// linear.cu, with small_product.cu, tile_product.cu and device/library_product.cc behind it
void linear_forward(const LinearForward& args);
void linear_backward_x(const LinearBackward& args);
void linear_backward_w(const LinearBackward& args);
void linear_backward_b(const LinearBackward& args);

// embedding.cu
void embedding_forward(const EmbeddingForward& args);
void embedding_backward(const EmbeddingBackward& args);
void gather_forward(const GatherForward& args);
void gather_backward(const GatherBackward& args);

// norm.cu
void norm_forward(const NormForward& args);
void norm_backward_x(const NormBackward& args);
void norm_backward_w(const NormBackward& args);
void rms_norm_forward(const RmsNormForward& args);
void rms_norm_backward_x(const RmsNormBackward& args);
void rms_norm_backward_w(const RmsNormBackward& args);

// rope.cu
void rope(const Rope& args);
void cache_store(const CacheStore& args);

// attention.cu, attention_backward.cu
void attention_forward(const AttentionForward& args);
void attention_delta(const AttentionDelta& args);
void attention_backward(const AttentionBackward& args);

// prefix_attention.cu
void prefix_attention_forward(const PrefixAttentionForward& args);
void prefix_attention_backward(const PrefixAttentionBackward& args);

// conv1d.cu
void conv1d_forward(const Conv1dForward& args);
void conv1d_backward(const Conv1dBackward& args);

// scan.cu
void scan_forward(const ScanForward& args);
void scan_backward(const ScanBackward& args);

// loss.cu
void cross_entropy(const CrossEntropy& args);

// optimizer.cu
void adamw(const AdamW& args);
void sgd(const Sgd& args);

/// The table of all of these.
const Kernels& kernels();

}  // namespace falconer::FALCONER_GPU
