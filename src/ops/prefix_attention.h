// LLaMA-Adapter's gated attention over a learned prompt (Zhang et al., 2023), beside the causal
// attention.
#pragma once

#include "ops/heads.h"
#include "ops/run.h"

namespace falconer {

// A softmax of its own over the P prompt slots, without mask, scaled by a gate per head:
//   s_j = scale q_t . k_j      p = softmax(s)      out_t += gate_h sum_j p_j v_j
// With a soft cap (as beside it, ops/attention.h) s_j becomes cap tanh(s_j / cap).
// Backward, with dp_j = do_t . v_j and c_t = sum_j p_j dp_j:
//   dgate_h += c_t      ds_j = gate_h p_j (dp_j - c_t)      dv_j += gate_h p_j do_t
//   dq_t = scale sum_j ds_j k_j      dk_j += scale ds_j q_t
// Below a cap, with s_j as it came out of it, ds_j *= 1 - (s_j / cap)^2.
// `out` is the sum of both attentions, so do_t . out_t counts gate_h c_t too much for the causal
// backward:
//   delta_th -= gate_h c_t
// p is recomputed: P is small.
//
// q, out (N,H,D); k, v (P,G,D); gate (1,H) f32; delta (N,H) f32.

struct PrefixAttentionForward {
  Heads q, k, v;
  View gate, out;
  float scale = 1;
  float cap = 0;       // 0: none
  bool apart = false;  // rows belong to sequences that must not depend on each other; set by the op
};

/// dq, dk, dv overwrite, dgate adds, delta is corrected in place. An empty dgate is not computed.
struct PrefixAttentionBackward {
  Heads q, k, v;
  View gate, dout, delta;
  Heads dq, dk, dv;
  View dgate;
  float scale = 1;
  float cap = 0;
};

void prefix_attention_forward(Run& run, const PrefixAttentionForward& args);
void prefix_attention_backward(Run& run, const PrefixAttentionBackward& args);

}  // namespace falconer
