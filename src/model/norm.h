// A normalisation before a mixer, or behind the last block.
#pragma once

#include "model/params.h"
#include "ops/run.h"

namespace falconer {

struct NormKept {
  View x, stats;
};

class Norm {
 public:
  Norm(const ModelConfig& config, const Module& module)
      : params_(&module), eps_(static_cast<float>(config.norm_eps)) {}
  /// What a norm named `id` has.
  static ModuleShape declared(const ModelConfig& config, const ModuleId& id);

  const ModuleId& id() const { return params_->id; }
  bool trainable() const {
    return params_->w->trainable() || (params_->b != nullptr && params_->b->trainable());
  }
  /// The gradient of the output is wanted: for x, or for the norm itself.
  bool wants_dy(bool want_dx) const { return want_dx || trainable(); }

  /// The normed rows of x (N,C), kept where `keep_output`; for a backward, where `want_dy`, x must stay.
  View forward(Run& run, const View& x, bool want_dy, bool keep_output, NormKept& kept) const;
  /// Adds to dx, where it is not empty, and to the own gradients. dy (N,C) stays.
  void backward(Run& run, const View& dy, const View& dx_add, const NormKept& kept) const;

 private:
  const Module* params_;
  float eps_;
};

}  // namespace falconer
