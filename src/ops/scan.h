// The state-space scan of Mamba-2 (Dao and Gu, Transformers are SSMs, 2024), over sequences laid end to end: a
// recurrence with a matrix of P x S numbers for each head, computed in chunks.
#pragma once

#include <span>

#include "ops/run.h"
#include "ops/state_span.h"

namespace falconer {

/// Rows of a sequence that are computed together, as small products; what goes from one chunk to the next is its state.
/// Pages of a cache and parts of prompts begin at chunks.
inline constexpr int64_t kScanChunk = 64;

// For head h, of group g = h / (H / G), with A_h = -exp(a_log_h), step by step (t counts the rows of a sequence):
//   d_t = softplus(dt_t + dt_bias_h)         f_t = exp(d_t A_h)
//   S_t = f_t S_(t-1) + d_t x_t B_t'         (P,S); x_t (P), B_t and C_t (S) are the group's
//   y_t = S_t C_t + D_h x_t
// In a chunk that state S_0 enters, with l_t = sum over its rows up to t of d A:
//   y_t = exp(l_t) S_0 C_t + sum_(s <= t) exp(l_t - l_s) d_s (B_s . C_t) x_s + D_h x_t
//
// Backward: with E_t = dL/dS_t (P,S), which follows E_t = dy_t C_t' + f_(t+1) E_(t+1):
//   dx_t = d_t E_t B_t + D_h dy_t     dB_t = d_t E_t' x_t     dC_t = S_t' dy_t     (sums over the heads of a group)
//   dd_t = x_t . (E_t B_t) + A_h f_t <E_t, S_(t-1)>            ddt_t = dd_t s(dt_t + dt_bias_h), s the logistic function
//   da_log_h = A_h sum_t d_t f_t <E_t, S_(t-1)>    dD_h = sum_t dy_t . x_t    ddt_bias_h = sum_t ddt_t
//
// x, y, dy, dx (N,H*P)   dt, ddt (N,H)   b, c, db, dc (N,G*S)   a_log, d, dt_bias and their gradients (1,H) f32
// states (slots,H*S*P) f32   entries (chunks,H*S*P) f32: the state that enters each chunk, span by span. Where states
// are kept, a head's lies as (S,P).

/// Views of activations may be ranges of columns of one buffer; y is not x, and may be empty
/// where no span has a slot. `entries` is made where a backward follows,
/// else empty. With `as_many` a span of one row is computed as a chunk (Run::as_many); set by scan_forward(). `states`
/// may be empty where no span has a slot.
struct ScanForward {
  View x, dt, b, c, y;
  View a_log, d, dt_bias;
  View states, entries;
  std::span<const StateSpan> spans;
  int64_t groups = 1;
  bool as_many = false;
};

/// Keeps all inputs and `entries`; no span has a slot. dx, ddt, db, dc overwrite; da_log, dd, ddt_bias add. What is
/// empty is not computed.
struct ScanBackward {
  View x, dt, b, c;
  View a_log, d, dt_bias;
  View entries;
  View dy, dx, ddt, db, dc;
  View da_log, dd, ddt_bias;
  std::span<const StateSpan> spans;
  int64_t groups = 1;
};

/// Rows of `entries`.
int64_t scan_chunks(std::span<const StateSpan> spans);

void scan_forward(Run& run, const ScanForward& args);
void scan_backward(Run& run, const ScanBackward& args);

}  // namespace falconer
