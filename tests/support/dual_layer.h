// A layer of the decoder twice: as the decoder has it, in f32 on the scalar kernels, and in any number
// type, put together here from the scalar definitions. Dual numbers through the second are what the
// backward of the first is held against.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>

#include "model/block.h"
#include "ops/scalar/attention.h"
#include "ops/scalar/elementwise.h"
#include "ops/scalar/embedding.h"
#include "ops/scalar/linear.h"
#include "ops/scalar/norm.h"
#include "ops/scalar/rope.h"
#include "support/dual.h"
#include "support/heads_case.h"
#include "support/op_run.h"

namespace falconer::test {

/// The tensors of a layer; a bias comes behind its matrix.
enum LayerPart {
  kNorm1W,
  kNorm1B,
  kNorm2W,
  kNorm2B,
  kQkvW,
  kQkvB,
  kDenseW,
  kDenseB,
  kUpW,
  kUpB,
  kDownW,
  kDownB,
  kLayerParts
};
inline const char* part_name(int part) {
  constexpr const char* kNames[] = {"norm1.w", "norm1.b", "norm2.w", "norm2.b", "qkv.w",  "qkv.b",
                                    "dense.w", "dense.b", "up.w",    "up.b",    "down.w", "down.b"};
  return kNames[part];
}

/// Those that a layer lacks have no rows.
template <class S>
using LayerOf = std::array<Block<S>, kLayerParts>;

inline LayerOf<Dual> lift(const LayerOf<double>& layer) {
  LayerOf<Dual> out;
  for (size_t i = 0; i < layer.size(); ++i)
    if (layer[i].rows() > 0) out[i] = lift(layer[i]);
  return out;
}

/// Kinds of layers that there are, with sizes that no two dimensions share: Falcon-7B's, -40B's and -RW's,
/// and GPT-NeoX's.
inline std::map<std::string, ModelConfig> layer_kinds() {
  ModelConfig seven, forty, rw, neox;
  seven.width = 9, seven.heads = 3, seven.groups = 1, seven.head_size = 4, seven.mlp_width = 14;
  seven.rope_dims = 4;
  forty.width = 11, forty.heads = 6, forty.groups = 2, forty.head_size = 2, forty.mlp_width = 13;
  forty.rope_dims = 2, forty.shared_norm = false;
  rw.width = 10, rw.heads = 3, rw.groups = 3, rw.head_size = 4, rw.mlp_width = 13;
  rw.set_biases(true), rw.alibi = true, rw.parallel = rw.shared_norm = false;
  neox.width = 11, neox.heads = 2, neox.groups = 2, neox.head_size = 6, neox.mlp_width = 13;
  neox.rope_dims = 2, neox.set_biases(true), neox.shared_norm = false;
  return {{"7B", seven}, {"40B", forty}, {"RW", rw}, {"NeoX", neox}};
}

/// Parameters with random values, and what a layer reads beside them: two sequences of 4 and 3 tokens.
class TestLayer {
 public:
  explicit TestLayer(const ModelConfig& config) : config_(config) {
    const int64_t c = config.width, heads = config.heads * config.head_size, m = config.mlp_width;
    make(kNorm1W, 1, c), make(kNorm1B, 1, c);
    if (!config.shared_norm) make(kNorm2W, 1, c), make(kNorm2B, 1, c);
    linear(kQkvW, config.qkv_rows(), c), linear(kDenseW, c, heads);
    linear(kUpW, m, c), linear(kDownW, c, m);
    if (config.rope_dims > 0) {
      rope_ = Tensor(8, config.rope_dims, Dtype::kF32);
      rope_table(run_.run, rope_.view(), 100);
    }
    if (config.alibi) {
      alibi_ = Tensor(1, config.heads, Dtype::kF32);
      for (int64_t h = 0; h < config.heads; ++h)
        alibi_.view().row<float>(0)[h] = 1.0f / static_cast<float>(2 << h);
    }
    run_.run.keep = true;
    module(Role::kAttentionNorm, kNorm1W), module(Role::kMlpNorm, kNorm2W);
    module(Role::kQkv, kQkvW), module(Role::kDense, kDenseW);
    module(Role::kUp, kUpW), module(Role::kDown, kDownW);
  }

  const ModelConfig& config() const { return config_; }
  const Batch& batch() const { return batch_.batch(); }
  int64_t tokens() const { return batch().tokens(); }
  BlockTables tables() const {
    return {config_.rope_dims > 0 ? rope_.view() : View{}, config_.alibi ? alibi_.view() : View{}};
  }
  Run& run() { return run_.run; }

  std::vector<int> parts() const {
    std::vector<int> all;
    for (int i = 0; i < kLayerParts; ++i)
      if (values_[i]) all.push_back(i);
    return all;
  }
  LayerOf<double> values() const {
    LayerOf<double> out;
    for (const int i : parts()) out[i] = values_[i]->values();
    return out;
  }
  /// These learn from here on, from gradients of zero.
  void learn(const std::set<int>& learning) {
    for (const int i : parts()) {
      grads_[i].emplace(Block<double>(params_[i].rows(), params_[i].cols()));
      params_[i].grad = learning.contains(i) ? grads_[i]->view() : View{};
    }
  }
  Block<double> grad(int part) const {
    EXPECT_TRUE(grads_[part]->margin_intact()) << part_name(part);
    return grads_[part]->values();
  }
  /// Those of a decoder that has this layer alone.
  const Weights& weights() const { return weights_; }

 private:
  void make(int part, int64_t rows, int64_t cols) {
    // Sums about 1, so that no softmax is a step; scales of a norm about 1.
    const double size = rows == 1 ? 0.5 : 1 / std::sqrt(static_cast<double>(cols));
    const double middle = part == kNorm1W || part == kNorm2W ? 1 : 0;
    values_[part].emplace(map(random_block(rows, cols, static_cast<uint32_t>(50 + part)),
                              [&](double x) { return middle + size * x; }));
    params_[part].name = part_name(part);
    params_[part].shape = rows == 1 ? std::vector<int64_t>{cols} : std::vector<int64_t>{rows, cols};
    params_[part].value = values_[part]->view();
  }
  void linear(int part, int64_t rows, int64_t cols) {
    make(part, rows, cols);
    if (config_.bias()) make(part + 1, 1, rows);
  }
  void module(Role role, int weight) {
    const auto at = [&](int part) { return values_[part] ? &params_[part] : nullptr; };
    if (values_[weight])
      weights_.modules.push_back(
          {.id = {0, role}, .name = part_name(weight), .w = at(weight), .b = at(weight + 1)});
  }

  ModelConfig config_;
  OpRun run_;
  std::array<std::optional<TestView>, kLayerParts> values_, grads_;
  std::array<Param, kLayerParts> params_;
  Weights weights_;
  Tensor rope_, alibi_;
  std::vector<int32_t> ids_ = {1, 2, 3, 4, 5, 6, 7};
  BatchBuffer batch_ = BatchBuffer::for_training(std::vector<BatchBuffer::Sequence>{
      {std::span<const int32_t>(ids_).first(4), {}}, {std::span<const int32_t>(ids_).last(3), {}}});
};

/// The branches and the whole in numbers of type S, with the values `layer`. `wanted` lists rows; all
/// where it is empty.
template <class S>
class LayerForward {
 public:
  LayerForward(const TestLayer& test, const LayerOf<S>& layer, std::vector<int32_t> wanted = {})
      : test_(test), layer_(layer), wanted_(std::move(wanted)) {}

  Block<S> mlp(const Block<S>& n) const {
    const Block<S> pre = product(n, kUpW);
    Block<S> act(pre.rows(), pre.cols());
    scalar::gelu_forward<S>(pre, act, 0, pre.rows());
    return product(act, kDownW);
  }

  Block<S> attention(const Block<S>& n) const {
    const ModelConfig& c = test_.config();
    const HeadsShape s{n.rows(), c.groups, c.per_group(), c.head_size};
    const View table = test_.tables().rope, slopes = test_.tables().alibi;
    Block<S> qkv = product(n, kQkvW), out(n.rows(), s.width()), lse(n.rows(), s.heads());
    if (table) {
      Block<S> angles(table.rows, table.cols);
      for (int64_t i = 0; i < table.rows; ++i)
        for (int64_t j = 0; j < table.cols; ++j) angles(i, j) = table.row<float>(i)[j];
      const int32_t* positions = test_.batch().positions.row<int32_t>(0);
      scalar::rope<S>(s.q(qkv.mat()), positions, angles, false, 0, n.rows());
      scalar::rope<S>(s.k(qkv.mat()), positions, angles, false, 0, n.rows());
    }
    const double scale = static_cast<float>(1 / std::sqrt(static_cast<double>(s.size)));
    scalar::attention_forward<S>(s.q(qkv.cmat()), s.k(qkv.cmat()), s.v(qkv.cmat()),
                                 slopes ? slopes.as<const float>() : Mat<const float>{}, out, lse,
                                 test_.batch().spans, scale, 0, s.heads());
    return product(taken(out), kDenseW);
  }

  Block<S> block(const Block<S>& x) const {
    const ModelConfig& c = test_.config();
    const Block<S> n1 = norm(x, kNorm1W), from = taken(x), a = attention(n1);
    if (c.parallel) return sum(from, a, mlp(c.shared_norm ? taken(n1) : norm(from, kNorm2W)));
    const Block<S> z = sum(from, a, {});
    return sum(z, mlp(norm(z, kNorm2W)), {});
  }

 private:
  Block<S> product(const Block<S>& x, int part) const {
    const Block<S>&w = layer_[part], &b = layer_[part + 1];
    Block<S> y(x.rows(), w.rows());
    scalar::linear_forward<S, S, S>(x, w, b.rows() > 0 ? b.cmat() : Mat<const S>{}, y, 1, false, 0,
                                    x.rows());
    return y;
  }
  Block<S> norm(const Block<S>& x, int part) const {
    Block<S> y(x.rows(), x.cols()), stats(x.rows(), 2);
    scalar::norm_forward<S>(x, layer_[part], layer_[part + 1], y, stats,
                            static_cast<float>(test_.config().norm_eps), 0, x.rows());
    return y;
  }
  Block<S> taken(const Block<S>& x) const {
    if (wanted_.empty()) return x;
    Block<S> y(std::ssize(wanted_), x.cols());
    scalar::gather_forward<S>(x, wanted_.data(), y, 0, y.rows());
    return y;
  }
  static Block<S> sum(const Block<S>& x, const Block<S>& a, const Block<S>& b) {
    Block<S> y(x.rows(), x.cols());
    scalar::residual<S>(x, a, b.rows() > 0 ? b.cmat() : Mat<const S>{}, y, 0, y.rows());
    return y;
  }

  const TestLayer& test_;
  const LayerOf<S>& layer_;
  std::vector<int32_t> wanted_;
};

/// The gradients of sum weights . forward(layer, x), of x and of every tensor.
struct LayerGradients {
  Block<double> x;
  LayerOf<double> parts;
};
template <class Forward>
LayerGradients dual_gradients(const TestLayer& test, const Block<double>& at,
                              const Block<double>& weights, Forward&& forward) {
  LayerOf<Dual> layer = lift(test.values());
  Block<Dual> x = lift(at);
  const auto loss = [&] { return weigh(weights, forward(layer, x)); };
  LayerGradients out{dual_gradient(x, loss), {}};
  for (const int part : test.parts()) out.parts[part] = dual_gradient(layer[part], loss);
  return out;
}

/// What f32 leaves of it; a term that is missing or wrong is off by hundreds of thousands of times as
/// much.
inline void expect_gradient(const Block<double>& got, const Block<double>& want,
                            const std::string& what) {
  // The gradient of a key's bias that no rotation turns is 0, and what is left is rounding.
  EXPECT_LE(max_abs(got + map(want, [](double x) { return -x; })), 3e-6 * (1 + max_abs(want)))
      << what;
}

/// Each tensor that learns against its own, and that the others' memory was left alone.
inline void expect_gradients(const TestLayer& test, const LayerGradients& want,
                             const std::set<int>& learning, const std::string& what) {
  for (const int part : test.parts()) {
    if (learning.contains(part))
      expect_gradient(test.grad(part), want.parts[part], what + ": " + part_name(part));
    else
      EXPECT_EQ(max_abs(test.grad(part)), 0) << what << ": " << part_name(part) << " is frozen";
  }
}

/// All of `parts`, none, and each alone.
inline std::vector<std::set<int>> choices(const std::vector<int>& parts) {
  std::vector<std::set<int>> all = {{parts.begin(), parts.end()}, {}};
  for (const int part : parts) all.push_back({part});
  return all;
}

}  // namespace falconer::test
