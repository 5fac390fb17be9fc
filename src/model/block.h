// One layer of the decoder, forward and backward side by side: a list of branches, each added to what comes
// in. A branch is one or more paths side by side, and a path a norm with one or more mixers behind it,
// and perhaps a norm of what one of them gives.
//
//   parallel, one norm (7B):    y = x + attention(norm1 x) + mlp(norm1 x)     one branch, one path, two mixers
//   parallel, two norms (40B):  y = x + attention(norm1 x) + mlp(norm2 x)     one branch, two paths
//   sequential (RW, LLaMA):     z = x + attention(norm1 x);   y = z + mlp(norm2 z)           two branches
//   norms behind (OLMo 2):      z = x + norm1 attention(x);   y = z + norm2 mlp(z)
//   Falcon-H1:                  z = x + ssm(norm1 x) + attention(norm1 x);   y = z + mlp(norm2 z)
//   on both sides (Gemma 2):    z = x + norm' attention(norm x);   y = z + norm' mlp(norm z)
#pragma once

#include <optional>

#include "model/attention.h"
#include "model/mlp.h"
#include "model/norm.h"
#include "model/ssm_mixer.h"

namespace falconer {

/// What backward needs of one call.
struct PathKept {
  NormKept norm, behind;
  std::vector<MixerKept> mixers;
};
struct BlockKept {
  View wanted;
  std::vector<std::vector<PathKept>> branches;
};

class Block {
 public:
  Block(const ModelConfig& config, const Weights& weights, int64_t layer);
  /// All norms of a layer, then the mixers' modules.
  static void declare(const ModelConfig& config, int64_t layer, const ModuleVisitor& visit);

  Attention& attention() { return *attention_; }
  /// Every mixer, in the order of computing.
  std::vector<Mixer*> mixers() const;
  /// Anything in this block learns.
  bool trainable() const;

  /// x (N,C), y (R,C). `wanted` (1,R) lists the rows of x of which y is wanted, as in the last block,
  /// of which only labelled rows are read: the others serve as keys and values alone. An empty one
  /// means all; y may then be x where nothing is kept. Of an empty y only what backward reads is
  /// made. want_dx: the backward will go on below this block.
  void forward(Run& run, const Batch& batch, const View& x, const View& wanted, const View& y,
               const BlockTables& tables, BlockCache* cache, bool want_dx, BlockKept& kept) const;
  /// dy (R,C), the gradient of y, is used up. dx (N,C) is that of x on return where want_dx; it is
  /// dy itself where all rows were wanted.
  void backward(Run& run, const Batch& batch, const View& dy, const View& dx,
                const BlockTables& tables, bool want_dx, BlockKept& kept) const;

 private:
  /// Mixers beside each other, of one normed input.
  struct Path {
    std::optional<Norm> norm;
    std::vector<std::unique_ptr<Mixer>> mixers;
    std::optional<Norm> behind;  // of the only mixer's output

    /// Whether any of them reads other rows than the wanted ones.
    bool mixes_rows() const;
    bool trainable() const;
    /// The gradient of what the mixers read is wanted.
    bool wants_dn(bool want_dx) const { return norm ? norm->wants_dy(want_dx) : want_dx; }
    /// The gradient of what the mixers give is wanted.
    bool wants_dout(bool want_dx) const;
  };
  using Branch = std::vector<Path>;
  struct Pass;  // what one forward works with
  struct Back;

  static bool trainable(const Branch& branch);
  /// The gradient of branch b's input is wanted: for the block's, or for a branch before.
  bool wants_dx(size_t b, bool want_dx) const;
  /// Whether the backward of a branch reads its input.
  bool reads_again(const Branch& branch, bool want_dx) const;
  void branch_forward(Pass& pass, size_t b, const View& x, const View& y) const;
  void path_forward(Pass& pass, const Path& path, const View& in, const View& wanted, bool want_out,
                    bool want_dx, PathKept& kept) const;
  static View before_norm(Run& run, const Path& path, const View& dy, bool want_dx,
                          const PathKept& kept);
  void mixer_forward(Pass& pass, const Mixer& mixer, const View& n, const View& wanted,
                     const View& y, bool want_dn, MixerKept& kept) const;
  void path_backward(const Back& back, const Path& path, const View& dout, const View& dn,
                     PathKept& kept) const;
  void branch_backward(const Back& back, const Branch& branch, const View& dy, const View& dx,
                       bool want_dx, std::vector<PathKept>& kept) const;

  std::vector<Branch> branches_;
  Attention* attention_ = nullptr;
  int64_t layer_;
};

}  // namespace falconer
