// The tables by which a batch's positions are rotated, as long as what was run so far, and not as the context
// that config.json claims.
#pragma once

#include "model/mixer.h"

namespace falconer {

class Rotations {
 public:
  /// First tables in `fixed`.
  Rotations(const ModelConfig& config, Run& run, Arena& fixed, BlockTables& tables);

  /// Makes `tables` long enough for a batch, and says where in them its tokens are. With longrope a sequence
  /// that is longer than the original context has frequencies of its own, whatever is computed beside it.
  void reach(Run& run, const Batch& batch, BlockTables& tables);

 private:
  /// Of all layers, and of those with a window where it is another.
  struct Kind {
    View BlockTables::*table;
    Tensor Rotations::*longer;
    double base;
    RopeScaling scaling;
    int64_t
        original;  // context, beyond which sequences have frequencies of their own; 0: they never have
    int64_t parts() const { return original > 0 ? 2 : 1; }
  };
  std::vector<Kind> kinds() const;
  /// A table's second half is that of the longer sequences, where they have one.
  void fill(Run& run, const Kind& kind, const View& table) const;
  void place(const Batch& batch, int64_t original, BlockTables& tables);

  double base_, window_base_;
  int64_t dims_, context_;
  RopeScaling scaling_;
  Tensor longer_, longer_window_, rows_;
};

}  // namespace falconer
