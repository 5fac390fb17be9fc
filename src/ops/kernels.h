// The table of kernels: one plain struct of function pointers per device, chosen once.
#pragma once

#include "ops/affine.h"
#include "ops/attention.h"
#include "ops/conv1d.h"
#include "ops/dora.h"
#include "ops/dropout.h"
#include "ops/embedding.h"
#include "ops/fill.h"
#include "ops/gated.h"
#include "ops/gelu.h"
#include "ops/linear.h"
#include "ops/loss.h"
#include "ops/norm.h"
#include "ops/optimizer.h"
#include "ops/prefix_attention.h"
#include "ops/residual.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/scale.h"
#include "ops/scan.h"
#include "ops/soft_cap.h"

namespace falconer {

/// Shapes were checked by the op; a kernel does the whole op, split over threads as it likes, with
/// results that do not depend on the thread count. Activations are all f32 or all bf16. Integer views
/// (token ids, positions, row numbers) and spans lie in the host's memory on every device; all other
/// views lie where the table computes.
struct Kernels {
  const char* name;
  void (*convert)(const View& from, const View& to);
  void (*set_zero)(const View& x);
  void (*linear_forward)(const LinearForward&);
  void (*linear_backward_x)(const LinearBackward&);
  void (*linear_backward_w)(const LinearBackward&);
  void (*linear_backward_b)(const LinearBackward&);
  void (*embedding_forward)(const EmbeddingForward&);
  void (*embedding_backward)(const EmbeddingBackward&);
  void (*gather_forward)(const GatherForward&);
  void (*gather_backward)(const GatherBackward&);
  void (*norm_forward)(const NormForward&);
  void (*norm_backward_x)(const NormBackward&);
  void (*norm_backward_w)(const NormBackward&);
  void (*rms_norm_forward)(const RmsNormForward&);
  void (*rms_norm_backward_x)(const RmsNormBackward&);
  void (*rms_norm_backward_w)(const RmsNormBackward&);
  void (*rope)(const Rope&);
  void (*attention_forward)(const AttentionForward&);
  void (*attention_delta)(const AttentionDelta&);
  void (*attention_backward)(const AttentionBackward&);
  void (*cache_store)(const CacheStore&);
  void (*prefix_attention_forward)(const PrefixAttentionForward&);
  void (*prefix_attention_backward)(const PrefixAttentionBackward&);
  void (*conv1d_forward)(const Conv1dForward&);
  void (*conv1d_backward)(const Conv1dBackward&);
  void (*scan_forward)(const ScanForward&);
  void (*scan_backward)(const ScanBackward&);
  void (*gelu_forward)(const GeluForward&);
  void (*gelu_backward)(const GeluBackward&);
  void (*gated_forward)(const GatedForward&);
  void (*gated_backward)(const GatedBackward&);
  void (*soft_cap_forward)(const SoftCapForward&);
  void (*soft_cap_backward)(const SoftCapBackward&);
  void (*scale)(const Scale&);
  void (*residual)(const Residual&);
  void (*affine_forward)(const AffineForward&);
  void (*affine_backward)(const AffineBackward&);
  void (*dropout)(const Dropout&);
  void (*cross_entropy)(const CrossEntropy&);
  void (*adamw)(const AdamW&);
  void (*sgd)(const Sgd&);
  double (*sum_of_squares)(const View&);
  void (*row_squares)(const RowSquares&);
  void (*dora_norms)(const DoraNorms&);
  void (*divide)(const Divide&);
  void (*fill_normal)(const NormalFill&);
  /// Bytes of a matrix of `dtype` as this device's products in whole numbers read it; 0: there are none with it.
  int64_t (*lane_bytes)(Dtype dtype, int64_t rows, int64_t cols);
  /// Makes LinearForward::lanes, (1, lane_bytes()) in u8, of w.
  void (*pack_lanes)(const View& w, const View& lanes);
  /// Bytes of LinearForward::room and LinearBackward::room for so many rows; 0: this device has no such products.
  int64_t (*whole_bytes)(int64_t rows, int64_t depth);
  /// Bytes of LinearForward::room of a product of f32 alone, y of (rows, cols), that is not in whole numbers; 0: this
  /// device works without.
  int64_t (*turned_bytes)(int64_t rows, int64_t cols, int64_t depth);
};

/// The readable definitions, on any CPU: the portable baseline and the oracle of tests.
const Kernels& scalar_kernels();
/// Highway kernels and oneDNN products, for the instruction set of this CPU.
const Kernels& cpu_kernels();

}  // namespace falconer
