// A linear layer of the decoder: its parameters, named row ranges, and the hook that may sit there.
#pragma once

#include <string>
#include <vector>

#include "model/hooks.h"
#include "model/params.h"

namespace falconer {

/// The tensors that a site computes with.
struct SiteTensors {
  Param* w = nullptr;
  Param* b = nullptr;  // null: no bias
};

class LinearSite {
 public:
  explicit LinearSite(const Module& module)
      : module_(&module), tensors_{.w = module.w, .b = module.b} {}

  const ModuleId& id() const { return module_->id; }
  const std::string& module() const { return module_->name; }
  Param& weight() const { return *tensors_.w; }
  Param* bias() const { return tensors_.b; }
  /// Unique in the model: names the site's random numbers.
  int32_t number() const { return module_->number; }
  const std::vector<SitePart>& parts() const { return module_->parts; }
  int64_t in() const { return tensors_.w->cols(); }
  int64_t out() const { return tensors_.w->rows(); }

  /// Other tensors of the same shape from now on (a bias: also where there was none); their owner outlives
  /// this. use() brings back what tensors() was.
  void use_weight(Param& w) { tensors_.w = &w; }
  void use_bias(Param& b) { tensors_.b = &b; }
  const SiteTensors& tensors() const { return tensors_; }
  void use(const SiteTensors& tensors) { tensors_ = tensors; }

  void attach(const LinearHook* hook) { hook_ = hook; }
  const LinearHook* hook() const { return hook_; }

  /// Anything here learns: the matrix, the bias or the hook.
  bool trainable() const;
  /// The backward reads x: keep it.
  bool needs_x() const;

  /// y = x W' + b, then the hook. x (N,K), y (N,M). Of an empty y only what backward reads is made. `factor`: of the
  /// product, where there is neither b nor hook.
  void forward(Run& run, const View& x, const View& y, HookKept& kept, float factor = 1) const;
  bool is_product_alone() const { return tensors_.b == nullptr && hook_ == nullptr; }
  /// Gradients of whatever learns, and dx where it is not empty (added to it where add_dx). dy is
  /// left as it was.
  void backward(Run& run, HookKept& kept, const View& dy, const View& dx,
                bool add_dx = false) const;

 private:
  void products_backward(Run& run, const View& x, const View& dy, const View& dx, const View& db,
                         bool add_dx) const;

  const Module* module_;
  SiteTensors tensors_;
  const LinearHook* hook_ = nullptr;
};

}  // namespace falconer
