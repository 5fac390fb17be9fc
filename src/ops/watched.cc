#include "ops/watched.h"

#include <cmath>

#include "base/error.h"
#include "ops/literal.h"
#include "tensor/buffer.h"

namespace falconer {
namespace {

// Of the thread that computes: runs in others have devices of their own.
thread_local const Kernels* inner = nullptr;

void look_at_host(const char* op, const char* tensor, const View& x) {
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.cols; ++j) {
      const float value =
          x.dtype == Dtype::kF32 ? x.row<float>(i)[j] : static_cast<float>(x.row<BF16>(i)[j]);
      if (std::isfinite(value)) continue;
      fail(
          "{} wrote {} into {} of {} x {} at row {}, column {}: the first number of this run that "
          "is not finite",
          op, value, tensor, x.rows, x.cols, i, j);
    }
}

void look(const char* op, const char* tensor, const View& x) {
  if (!x || (x.dtype != Dtype::kF32 && x.dtype != Dtype::kBF16)) return;
  if (x.device == nullptr) return look_at_host(op, tensor, x);
  const Tensor copy(x.rows, x.cols, x.dtype);
  copy_converted(x, copy.view());
  look_at_host(op, tensor, copy.view());
}

// What lies between the heads of one kind is another's.
void look(const char* op, const char* tensor, const Heads& heads) {
  if (!heads) return;
  for (int64_t g = 0; g < heads.groups; ++g)
    look(op, tensor, heads.rows.col_range(g * heads.group_stride, heads.per_group * heads.size));
}

/// What a kernel writes.
template <Literal kName, auto kMember>
struct Output {
  template <class Args>
  static void look_at(const char* op, const Args& args) {
    look(op, kName.text, args.*kMember);
  }
};

template <Literal kOp, auto kKernel, class Args, class... Outputs>
void watched(const Args& args) {
  (inner->*kKernel)(args);
  (Outputs::look_at(kOp.text, args), ...);
}

void watched_convert(const View& from, const View& to) {
  inner->convert(from, to);
  look("convert", "its result", to);
}

double watched_sum_of_squares(const View& x) {
  look("what came before sum_of_squares", "x", x);
  return inner->sum_of_squares(x);
}

#define FALCONER_WATCH(op, Args, ...) made.op = watched<#op, &Kernels::op, Args, __VA_ARGS__>
#define FALCONER_OUT(Args, member) Output<#member, &Args::member>

void watch_forward(Kernels& made) {
  FALCONER_WATCH(linear_forward, LinearForward, FALCONER_OUT(LinearForward, y));
  FALCONER_WATCH(embedding_forward, EmbeddingForward, FALCONER_OUT(EmbeddingForward, y));
  FALCONER_WATCH(gather_forward, GatherForward, FALCONER_OUT(GatherForward, y));
  FALCONER_WATCH(norm_forward, NormForward, FALCONER_OUT(NormForward, y),
                 FALCONER_OUT(NormForward, stats));
  FALCONER_WATCH(rms_norm_forward, RmsNormForward, FALCONER_OUT(RmsNormForward, y),
                 FALCONER_OUT(RmsNormForward, stats));
  FALCONER_WATCH(rope, Rope, FALCONER_OUT(Rope, x));
  FALCONER_WATCH(attention_forward, AttentionForward, FALCONER_OUT(AttentionForward, out),
                 FALCONER_OUT(AttentionForward, lse));
  FALCONER_WATCH(prefix_attention_forward, PrefixAttentionForward,
                 FALCONER_OUT(PrefixAttentionForward, out));
  FALCONER_WATCH(conv1d_forward, Conv1dForward, FALCONER_OUT(Conv1dForward, y));
  FALCONER_WATCH(scan_forward, ScanForward, FALCONER_OUT(ScanForward, y),
                 FALCONER_OUT(ScanForward, entries));
  FALCONER_WATCH(gelu_forward, GeluForward, FALCONER_OUT(GeluForward, y));
  FALCONER_WATCH(gated_forward, GatedForward, FALCONER_OUT(GatedForward, y));
  FALCONER_WATCH(soft_cap_forward, SoftCapForward, FALCONER_OUT(SoftCapForward, x));
  FALCONER_WATCH(scale, Scale, FALCONER_OUT(Scale, x));
  FALCONER_WATCH(residual, Residual, FALCONER_OUT(Residual, y));
  FALCONER_WATCH(affine_forward, AffineForward, FALCONER_OUT(AffineForward, y));
  FALCONER_WATCH(dropout, Dropout, FALCONER_OUT(Dropout, y));
  FALCONER_WATCH(cross_entropy, CrossEntropy, FALCONER_OUT(CrossEntropy, losses),
                 FALCONER_OUT(CrossEntropy, dlogits));
  FALCONER_WATCH(row_squares, RowSquares, FALCONER_OUT(RowSquares, out));
  FALCONER_WATCH(dora_norms, DoraNorms, FALCONER_OUT(DoraNorms, norms));
  FALCONER_WATCH(divide, Divide, FALCONER_OUT(Divide, out));
}

void watch_backward(Kernels& made) {
  FALCONER_WATCH(linear_backward_x, LinearBackward, FALCONER_OUT(LinearBackward, dx));
  FALCONER_WATCH(linear_backward_w, LinearBackward, FALCONER_OUT(LinearBackward, dw));
  FALCONER_WATCH(linear_backward_b, LinearBackward, FALCONER_OUT(LinearBackward, db));
  FALCONER_WATCH(embedding_backward, EmbeddingBackward, FALCONER_OUT(EmbeddingBackward, dw));
  FALCONER_WATCH(gather_backward, GatherBackward, FALCONER_OUT(GatherBackward, dx));
  FALCONER_WATCH(norm_backward_x, NormBackward, FALCONER_OUT(NormBackward, dx_add));
  FALCONER_WATCH(norm_backward_w, NormBackward, FALCONER_OUT(NormBackward, dw),
                 FALCONER_OUT(NormBackward, db));
  FALCONER_WATCH(rms_norm_backward_x, RmsNormBackward, FALCONER_OUT(RmsNormBackward, dx));
  FALCONER_WATCH(rms_norm_backward_w, RmsNormBackward, FALCONER_OUT(RmsNormBackward, dw));
  FALCONER_WATCH(attention_delta, AttentionDelta, FALCONER_OUT(AttentionDelta, delta));
  FALCONER_WATCH(attention_backward, AttentionBackward, FALCONER_OUT(AttentionBackward, dq),
                 FALCONER_OUT(AttentionBackward, dk), FALCONER_OUT(AttentionBackward, dv));
  FALCONER_WATCH(
      prefix_attention_backward, PrefixAttentionBackward, FALCONER_OUT(PrefixAttentionBackward, dq),
      FALCONER_OUT(PrefixAttentionBackward, dk), FALCONER_OUT(PrefixAttentionBackward, dv),
      FALCONER_OUT(PrefixAttentionBackward, dgate));
  FALCONER_WATCH(conv1d_backward, Conv1dBackward, FALCONER_OUT(Conv1dBackward, dx),
                 FALCONER_OUT(Conv1dBackward, dw), FALCONER_OUT(Conv1dBackward, db));
  FALCONER_WATCH(scan_backward, ScanBackward, FALCONER_OUT(ScanBackward, dx),
                 FALCONER_OUT(ScanBackward, ddt), FALCONER_OUT(ScanBackward, db),
                 FALCONER_OUT(ScanBackward, dc), FALCONER_OUT(ScanBackward, da_log),
                 FALCONER_OUT(ScanBackward, dd), FALCONER_OUT(ScanBackward, ddt_bias));
  FALCONER_WATCH(gelu_backward, GeluBackward, FALCONER_OUT(GeluBackward, d));
  FALCONER_WATCH(gated_backward, GatedBackward, FALCONER_OUT(GatedBackward, dgate),
                 FALCONER_OUT(GatedBackward, dup));
  FALCONER_WATCH(soft_cap_backward, SoftCapBackward, FALCONER_OUT(SoftCapBackward, d));
  FALCONER_WATCH(affine_backward, AffineBackward, FALCONER_OUT(AffineBackward, d),
                 FALCONER_OUT(AffineBackward, dscale), FALCONER_OUT(AffineBackward, dbias));
  FALCONER_WATCH(adamw, AdamW, FALCONER_OUT(AdamW, w), FALCONER_OUT(AdamW, m),
                 FALCONER_OUT(AdamW, v));
  FALCONER_WATCH(sgd, Sgd, FALCONER_OUT(Sgd, w));
}

#undef FALCONER_OUT
#undef FALCONER_WATCH

}  // namespace

const Kernels& watched_kernels(const Kernels& kernels) {
  thread_local Kernels made;
  inner = &kernels;
  made = kernels;
  made.convert = watched_convert;
  made.sum_of_squares = watched_sum_of_squares;
  watch_forward(made);
  watch_backward(made);
  return made;
}

}  // namespace falconer
