// The shape of a decoder: what an architecture's config.json comes down to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace falconer {

/// Letters as everywhere: L layers, C width, H heads, G key-value groups, D head size, F MLP width,
/// V vocabulary.
struct ModelConfig {
  /// How queries, keys and values are made: one matrix whose rows are, for each group, its queries, its key
  /// and its value; or three matrices.
  enum class Qkv : uint8_t { kByGroup, kSplit };

  std::string family;  // "falcon", ...: the architecture's name in the registry
  int64_t layers = 0, width = 0, heads = 0, groups = 0, head_size = 0, mlp_width = 0, vocab = 0;
  int64_t context = 2048;  // positions that the model was made for
  double norm_eps = 1e-5;
  double rope_base = 10000;
  int64_t rope_dims = 0;  // leading dimensions of a head that are rotated; 0: no rotation
  bool alibi = false;
  Qkv qkv = Qkv::kByGroup;
  bool parallel = true;     // y = x + attention(norm x) + mlp(norm x), else one after the other
  bool shared_norm = true;  // both branches of a parallel block read one norm
  bool qkv_bias = false, dense_bias = false,
       mlp_bias = false;  // of the linear layers in the blocks
  bool tied_head = true;
  double init_std = 0.02;
  std::vector<int32_t> eos_ids;
  std::optional<int32_t> bos_id;

  /// Whether all linear layers of the blocks have biases.
  bool bias() const { return qkv_bias && dense_bias && mlp_bias; }
  void set_biases(bool all) { qkv_bias = dense_bias = mlp_bias = all; }
  /// Query heads that share one key and value.
  int64_t per_group() const { return heads / groups; }
  /// Columns of all queries: H D, which need not be the width.
  int64_t q_rows() const { return heads * head_size; }
  /// Columns of queries, keys and values: (H + 2G) D.
  int64_t qkv_rows() const { return (heads + 2 * groups) * head_size; }
};

/// Parameters that each method would train, counted as Lit-Parrot does (head untied; adapter of
/// length 10 from layer 2; LoRA of rank 8 on q and v).
struct TrainableCounts {
  int64_t full = 0, adapter = 0, adapter_v2 = 0, lora = 0;
};
TrainableCounts count_trainable(const ModelConfig& config);

}  // namespace falconer
