// Causal attention with grouped keys and values, over sequences laid end to end; nothing of size T
// x T is stored.
#pragma once

#include <span>

#include "ops/heads.h"
#include "ops/run.h"

namespace falconer {

/// One sequence: queries q_begin .. q_begin + q_count - 1 of the rows; its keys and values are rows
/// kv_begin .. kv_begin + kv_count - 1, or, where first_page is not negative, those of the pages from it on in the
/// list that comes with the call. Query i of it sees the first kv_count - q_count + i + 1 of them.
struct AttentionSpan {
  int64_t q_begin = 0, q_count = 0, kv_begin = 0, kv_count = 0, first_page = -1;
};

/// Rows of keys and values of a page: page p is rows p * kPageRows and on.
inline constexpr int64_t kPageRows = 64;

/// The row of key j of a span; `pages` is the call's list.
constexpr int64_t key_row(const AttentionSpan& span, const int32_t* pages, int64_t j) {
  if (span.first_page < 0) return span.kv_begin + j;
  return pages[span.first_page + j / kPageRows] * kPageRows + j % kPageRows;
}

/// Keys first .. end-1 of a span, counted in it, that its query i sees: of those up to its own position
/// all, or the last `window`.
struct SeenKeys {
  int64_t first, end;
};
constexpr SeenKeys seen_keys(const AttentionSpan& span, int64_t i, int64_t window) {
  const int64_t end = span.kv_count - span.q_count + i + 1;
  return {window > 0 && end > window ? end - window : 0, end};
}

// For head h of group g, query t, and keys j that t sees (t - j < window where there is one):
//   s_j = (q_t . k_j + a_h j) scale      p = softmax(s)      o_t = sum_j p_j v_j
//   lse_t = log sum_j exp s_j
// With a soft cap (Gemma 2) s_j becomes cap tanh(s_j / cap) before the softmax.
// With ALiBi (Press et al., 2021) a_h j is bf16(slope_h * bf16(j)), as the reference rounds it;
// else it is 0. Backward recomputes p = exp(s - lse). With dp_j = do_t . v_j and delta_t = sum_j
// p_j dp_j = do_t . o_t:
//   ds_j = p_j (dp_j - delta_t)      dv_j += p_j do_t
//   dq_t = scale sum_j ds_j k_j      dk_j += scale ds_j q_t
// where dk and dv also sum over the heads of a group. Below a cap, with s_j as it came out of it,
// ds_j *= 1 - (s_j / cap)^2.
//
// q, out (N,H,D); k, v (rows,G,D); lse, delta (N,H) f32; alibi (1,H) f32 slopes or empty.

/// With `as_many` a span of one query is computed as one of many are (Run::as_many); set by attention_forward().
struct AttentionForward {
  Heads q, k, v;
  View alibi, out, lse;  // lse may be empty where no backward follows
  std::span<const AttentionSpan> spans;
  std::span<const int32_t> pages = {};  // of all spans that have any, in the host's memory
  float scale = 1;
  int64_t window = 0;  // 0: none
  float cap = 0;       // 0: none
  bool as_many = false;
};

/// Keeps q, k, v, lse (and out, for delta). dq, dk, dv overwrite; dq adds where add_dq.
struct AttentionBackward {
  Heads q, k, v;
  View alibi, dout, lse, delta;
  Heads dq, dk, dv;
  std::span<const AttentionSpan> spans;
  float scale = 1;
  bool add_dq = false;
  int64_t window = 0;
  float cap = 0;
};

/// delta_th = sum_d dout_thd out_thd.
struct AttentionDelta {
  View out, dout, delta;
  int64_t heads = 0;
};

void attention_forward(Run& run, const AttentionForward& args);
void attention_delta(Run& run, const AttentionDelta& args);
void attention_backward(Run& run, const AttentionBackward& args);

/// Copies the heads of row i to row index(i) of a cache (rows, G * D).
struct CacheStore {
  Heads from;
  View index, cache;
};
void cache_store(Run& run, const CacheStore& args);

}  // namespace falconer
