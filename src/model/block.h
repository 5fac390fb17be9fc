// One layer of the decoder, forward and backward side by side.
//
//   parallel, one norm (7B):    y = x + attention(norm1 x) + mlp(norm1 x)
//   parallel, two norms (40B):  y = x + attention(norm1 x) + mlp(norm2 x)
//   sequential (RW):            z = x + attention(norm1 x);   y = z + mlp(norm2 z)
#pragma once

#include "model/attention.h"
#include "model/mlp.h"

namespace falconer {

struct NormKept {
  View x, stats;
};

struct BlockKept {
  View wanted;
  NormKept norm1, norm2;
  AttentionKept attention;
  MlpKept mlp;
};

/// What all blocks share.
struct BlockTables {
  View rope;   // (context, R), empty without rotation
  View alibi;  // (1,H), empty without ALiBi
};

class Block {
 public:
  Block(const ModelConfig& config, const LayerParams& params, int64_t layer);

  Attention& attention() { return attention_; }
  Mlp& mlp() { return mlp_; }
  /// Anything in this block learns.
  bool trainable() const;

  /// x (N,C), y (R,C). `wanted` (1,R) lists the rows of x of which y is wanted, as in the last block,
  /// of which only labelled rows are read: the others serve as keys and values alone. An empty one
  /// means all; y may then be x where nothing is kept. Of an empty y only what backward reads is
  /// made. want_dx: the backward will go on below this block.
  void forward(Run& run, const Batch& batch, const View& x, const View& wanted, const View& y,
               const BlockTables& tables, LayerCache* cache, bool want_dx, BlockKept& kept) const;
  /// dy (R,C), the gradient of y, is used up. dx (N,C) is that of x on return where want_dx; it is
  /// dy itself where all rows were wanted.
  void backward(Run& run, const Batch& batch, const View& dy, const View& dx,
                const BlockTables& tables, bool want_dx, BlockKept& kept) const;

 private:
  bool shared_norm() const { return parallel_ && norm2_.w == nullptr; }
  // The gradient of a norm's output is wanted: for x below or for the norm itself.
  static bool wants_dn(const NormParams& norm, bool want_dx) {
    return want_dx || norm.w->trainable() || norm.b->trainable();
  }
  View normed(Run& run, const char* name, const NormParams& norm, const View& x, bool want_dn,
              bool keep_output, NormKept& kept) const;
  void norm_gradient(Run& run, const NormParams& norm, const View& dn, const View& dx_add,
                     const NormKept& kept) const;

  NormParams norm1_, norm2_;
  Attention attention_;
  Mlp mlp_;
  int64_t layer_;
  bool parallel_;
  float eps_;
};

}  // namespace falconer
