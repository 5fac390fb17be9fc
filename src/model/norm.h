// A normalisation in a block, or behind the last one: a layer norm, or by the root mean square.
#pragma once

#include <map>

#include "model/params.h"
#include "ops/heads.h"
#include "ops/run.h"

namespace falconer {

struct NormKept {
  View x, stats;
};

class Norm {
 public:
  /// `groups`: of columns that are normed each by themselves (by the root mean square alone).
  Norm(const ModelConfig& config, const Module& module, int64_t groups = 1)
      : module_(&module),
        groups_(groups),
        rms_(config.norm == ModelConfig::NormKind::kRms),
        eps_(static_cast<float>(config.norm_eps)),
        offset_(static_cast<float>(config.norm_offset)) {}
  /// What a norm named `id` has.
  static ModuleShape declared(const ModelConfig& config, const ModuleId& id);

  const ModuleId& id() const { return module_->id; }
  bool trainable() const {
    return module_->w->trainable() || (module_->b != nullptr && module_->b->trainable());
  }
  /// The gradient of the output is wanted: for x, or for the norm itself.
  bool wants_dy(bool want_dx) const { return want_dx || trainable(); }

  /// The normed rows of x (N,C), kept where `keep_output`; for a backward, where `want_dy`, x must stay.
  View forward(Run& run, const View& x, bool want_dy, bool keep_output, NormKept& kept) const;
  /// Adds to dx, where it is not empty, and to the own gradients. dy (N,C) stays.
  void backward(Run& run, const View& dy, const View& dx_add, const NormKept& kept) const;

 private:
  /// `others`: values in the place of parameters' own (mixed_rows.h).
  void rows_forward(Run& run, const View& x, const View& y, const View& stats,
                    const std::map<const Param*, View>& others) const;

  const Module* module_;
  int64_t groups_;
  bool rms_;
  float eps_, offset_;
};

/// Of queries or keys, by the root mean square: of each head, or of all of them together.
class HeadNorm {
 public:
  HeadNorm(const ModelConfig& config, const Module& module)
      : module_(&module),
        together_(config.head_norm == ModelConfig::HeadNorm::kAllHeads),
        eps_(static_cast<float>(config.norm_eps)),
        offset_(static_cast<float>(config.norm_offset)) {}
  /// What a norm named `id` has, over `heads` heads.
  static ModuleShape declared(const ModelConfig& config, const ModuleId& id, int64_t heads);

  bool trainable() const { return module_->w->trainable(); }
  /// y from x, both (N,heads,D); `stats` is made anew, kept where `want_dy`.
  void forward(Run& run, const Heads& x, const Heads& y, bool want_dy, View& stats) const;
  /// dx overwrites; the own gradient adds.
  void backward(Run& run, const Heads& x, const Heads& dy, const Heads& dx,
                const View& stats) const;

 private:
  Heads heads_of(const Heads& heads) const;

  const Module* module_;
  bool together_;
  float eps_, offset_;
};

}  // namespace falconer
