// A linear layer of the decoder: its parameters, named row ranges, and the hook that may sit there.
#pragma once

#include <string>
#include <vector>

#include "model/hooks.h"
#include "model/params.h"

namespace falconer {

/// Rows of a fused matrix that belong together: "q" of grouped attention is several ranges.
struct SitePart {
  using Range = RowRange;
  std::string name;  // "q", "k", "v"
  std::vector<Range> rows;

  int64_t count() const;
};

class LinearSite {
 public:
  LinearSite(LinearParams params, int32_t number, std::vector<SitePart> parts = {})
      : params_(std::move(params)), number_(number), parts_(std::move(parts)) {}

  const std::string& module() const { return params_.module; }
  Param& weight() const { return *params_.w; }
  Param* bias() const { return params_.b; }
  /// Unique in the model: names the site's random numbers.
  int32_t number() const { return number_; }
  const std::vector<SitePart>& parts() const { return parts_; }
  int64_t in() const { return params_.w->cols(); }
  int64_t out() const { return params_.w->rows(); }

  /// Other tensors of the same shape from now on (a bias: also where there was none); their owner outlives
  /// this. use() brings back what params() was.
  void use_weight(Param& w) { params_.w = &w; }
  void use_bias(Param& b) { params_.b = &b; }
  const LinearParams& params() const { return params_; }
  void use(const LinearParams& params) { params_ = params; }

  void attach(const LinearHook* hook) { hook_ = hook; }
  const LinearHook* hook() const { return hook_; }

  /// Anything here learns: the matrix, the bias or the hook.
  bool trainable() const;
  /// The backward reads x: keep it.
  bool needs_x() const;

  /// y = x W' + b, then the hook. x (N,K), y (N,M). Of an empty y only what backward reads is made.
  void forward(Run& run, const View& x, const View& y, HookKept& kept) const;
  /// Gradients of whatever learns, and dx where it is not empty (added to it where add_dx). dy is
  /// left as it was.
  void backward(Run& run, HookKept& kept, const View& dy, const View& dx,
                bool add_dx = false) const;

 private:
  LinearParams params_;
  int32_t number_ = 0;
  std::vector<SitePart> parts_;
  const LinearHook* hook_ = nullptr;
};

}  // namespace falconer
