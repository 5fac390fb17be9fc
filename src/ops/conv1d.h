// A causal convolution of each channel by itself, then SiLU: what Mamba has before its scan.
#pragma once

#include <span>

#include "ops/run.h"
#include "ops/state_span.h"

namespace falconer {

// For channel c and row t of a sequence, with K taps and x of before its first row being 0:
//   a_tc = b_c + sum_k w_ck x_(t - K + 1 + k)c        y_tc = a s(a), s the logistic function
// Backward makes a again. With e_tc = dy_tc s (1 + a (1 - s)):
//   dx_tc = sum_k w_ck e_(t + K - 1 - k)c      dw_ck = sum_t e_tc x_(t - K + 1 + k)c      db_c = sum_t e_tc
//
// x, y, dy, dx (N,C)   w, dw (C,K) f32   b, db (1,C) f32, empty: none   tails (slots,(K-1)*C) in x's dtype: the last K-1
// rows of a sequence's x, the oldest first.

/// Views of activations may be ranges of columns of one buffer; y is not x. `tails` may be empty where no span has a
/// slot.
struct Conv1dForward {
  View x, w, b, y;
  View tails;
  std::span<const StateSpan> spans;
};

/// Keeps x; no span has a slot. dx overwrites and is neither x nor dy; dw and db add. What is empty is not computed.
struct Conv1dBackward {
  View x, w, b, dy, dx, dw, db;
  std::span<const StateSpan> spans;
};

void conv1d_forward(Run& run, const Conv1dForward& args);
void conv1d_backward(Run& run, const Conv1dBackward& args);

}  // namespace falconer
