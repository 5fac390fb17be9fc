// The shape of a decoder: what an architecture's config.json comes down to.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/rope_frequencies.h"
#include "ops/gated.h"

namespace falconer {

/// Letters as everywhere: L layers, C width, H heads, G key-value groups, D head size, F MLP width,
/// V vocabulary.
/// A mixer with a state space scan beside attention (Mamba-2, as Falcon-H1 has it); no heads: there is none. In-projection
/// rows, in this order: z (the gate), x, B, C, dt; the convolution goes over x, B and C.
struct SsmConfig {
  static constexpr const char* kParts[] = {"z", "x", "B", "C", "dt"};

  int64_t heads = 0, head_size = 0, groups = 1;
  int64_t state = 0;  // S: numbers for each dimension of a head
  int64_t taps = 4;   // of the convolution
  bool norm = false;  // by the root mean square of each group, behind the gate; else the gate alone
  bool in_bias = false, conv_bias = true, out_bias = false;
  double in_scale = 1, out_scale = 1;  // of what the mixer reads and gives
  std::array<double, 5> part_scales{1, 1, 1, 1, 1};

  bool operator==(const SsmConfig&) const = default;
  int64_t width() const { return heads * head_size; }
  /// Columns of all B, or of all C.
  int64_t group_rows() const { return groups * state; }
  int64_t conv_rows() const { return width() + 2 * group_rows(); }
  int64_t in_rows() const { return width() + conv_rows() + heads; }
};

struct ModelConfig {
  /// How queries, keys and values are made: one matrix whose rows are, for each group, its queries, its key
  /// and its value; one with all queries, all keys, all values; or three.
  enum class Qkv : uint8_t { kByGroup, kByPart, kSplit };
  enum class NormKind : uint8_t { kLayer, kRms };
  /// Of queries and keys: each head by itself, or all of them together.
  enum class HeadNorm : uint8_t { kNone, kEachHead, kAllHeads };
  /// down(a(up)), down(a(gate) up), or the latter with gate and up as one matrix, gate first.
  enum class MlpKind : uint8_t { kPlain, kGated, kGatedInOne };

  std::string family;  // "falcon", ...: the architecture's name in the registry
  int64_t layers = 0, width = 0, heads = 0, groups = 0, head_size = 0, mlp_width = 0, vocab = 0;
  int64_t context = 2048;  // positions that the model was made for

  bool parallel = true;      // y = x + attention(norm x) + mlp(norm x), else one after the other
  bool shared_norm = true;   // both branches of a parallel block read one norm
  bool norm_before = true;   // of what a mixer reads
  bool norm_behind = false;  // of what it gives, before that is added
  NormKind norm = NormKind::kLayer;
  bool norm_bias = true;  // of layer norms
  double norm_eps = 1e-5;
  double norm_offset = 0;  // RMS: what is added to the weights, 1 in Gemma

  Qkv qkv = Qkv::kByGroup;
  HeadNorm head_norm = HeadNorm::kNone;
  double score_scale = 0;  // of q . k; 0: 1 / sqrt(D)
  double score_cap = 0;    // s becomes cap tanh(s / cap); 0: none
  std::vector<int64_t>
      windows;  // of each layer: positions that a query sees, itself included; 0: all before.
                // Empty: all in every layer
  bool alibi = false;
  double rope_base = 10000;
  int64_t rope_dims = 0;  // leading dimensions of a head that are rotated; 0: no rotation
  RopeScaling rope_scaling;
  bool rope_interleaved = false;  // pairs of dimensions 2i and 2i+1, not i and i+R/2
  double window_rope_base =
      0;  // of the layers with a window, which are not scaled; 0: as the others

  MlpKind mlp = MlpKind::kPlain;
  Activation activation = Activation::kGelu;
  bool qkv_bias = false, dense_bias = false,
       mlp_bias = false;  // of the linear layers in the blocks

  SsmConfig ssm;
  // Factors on what attention reads and gives, on keys, on what goes into a gate's activation, on what the MLP gives.
  double attention_in_scale = 1, attention_out_scale = 1, key_scale = 1;
  double gate_scale = 1, down_scale = 1;

  bool tied_head = true;
  double embedding_scale = 1, logit_scale = 1;  // factors on what comes out
  double logit_cap = 0;                         // 0: none
  double init_std = 0.02;
  std::vector<int32_t> eos_ids;
  std::optional<int32_t> bos_id;

  /// Whether all linear layers of the blocks have biases.
  bool bias() const {
    return qkv_bias && dense_bias && mlp_bias && (ssm.heads == 0 || (ssm.in_bias && ssm.out_bias));
  }
  void set_biases(bool all) {
    qkv_bias = dense_bias = mlp_bias = all;
    if (ssm.heads > 0) ssm.in_bias = ssm.out_bias = all;
  }
  /// Query heads that share one key and value.
  int64_t per_group() const { return heads / groups; }
  /// Columns of all queries: H D, which need not be the width.
  int64_t q_rows() const { return heads * head_size; }
  /// Columns of all keys, or of all values.
  int64_t kv_rows() const { return groups * head_size; }
  /// Columns of queries, keys and values: (H + 2G) D.
  int64_t qkv_rows() const { return q_rows() + 2 * kv_rows(); }
  int64_t window(int64_t layer) const {
    return windows.empty() ? 0 : windows[static_cast<size_t>(layer)];
  }
};

/// The layer that an adapter begins at, of a model that may have fewer layers than `wanted`.
int64_t adapter_start(int64_t wanted, int64_t layers);

/// Parameters that each method trains by its defaults (adapter of length 10 from layer 2; LoRA of rank 8 on q
/// and v), a tied head once. `full_head_apart` counts it again, as Lit-Parrot does, which has no tied heads.
struct TrainableCounts {
  int64_t full = 0, full_head_apart = 0, adapter = 0, adapter_v2 = 0, lora = 0;
};
TrainableCounts count_trainable(const ModelConfig& config);

}  // namespace falconer
