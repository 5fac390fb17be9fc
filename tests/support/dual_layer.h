// A layer of the decoder twice: as the decoder has it, in f32 on the scalar kernels, and in any number
// type, put together here from the scalar definitions. Dual numbers through the second are what the
// backward of the first is held against.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "model/block.h"
#include "model/qkv_rows.h"
#include "ops/scalar/attention.h"
#include "ops/scalar/conv1d.h"
#include "ops/scalar/elementwise.h"
#include "ops/scalar/embedding.h"
#include "ops/scalar/linear.h"
#include "ops/scalar/norm.h"
#include "ops/scalar/rope.h"
#include "ops/scalar/scan.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {

/// A tensor of a layer.
struct LayerPart {
  Role role;
  bool bias;
};

/// The tensors of a layer, in the order of TestLayer::parts(). Those that a layer lacks have no rows.
template <class S>
using LayerOf = std::vector<Block<S>>;

inline LayerOf<Dual> lift(const LayerOf<double>& layer) {
  LayerOf<Dual> out;
  for (const Block<double>& part : layer) out.push_back(lift(part));
  return out;
}

/// Kinds of layers that there are, with sizes that no two dimensions share.
inline std::map<std::string, ModelConfig> layer_kinds() {
  using enum ModelConfig::Qkv;
  using enum ModelConfig::MlpKind;
  using enum ModelConfig::HeadNorm;
  std::map<std::string, ModelConfig> kinds;
  const auto add = [&](const char* name, ModelConfig made, int64_t width, int64_t heads,
                       int64_t groups, int64_t head_size) -> ModelConfig& {
    made.layers = 1, made.width = width, made.heads = heads, made.groups = groups;
    made.head_size = head_size, made.mlp_width = width + 3, made.rope_dims = head_size;
    return kinds[name] = made;
  };
  ModelConfig falcon, llama;
  llama.parallel = llama.shared_norm = false;
  llama.norm = ModelConfig::NormKind::kRms, llama.qkv = kSplit, llama.mlp = kGated;
  llama.activation = Activation::kSilu;
  add("7B", falcon, 9, 3, 1, 4);
  add("40B", falcon, 11, 6, 2, 2).shared_norm = false;
  ModelConfig& rw = add("RW", falcon, 10, 3, 3, 4);
  rw.alibi = true, rw.parallel = rw.shared_norm = false, rw.rope_dims = 0, rw.set_biases(true);
  ModelConfig& neox = add("NeoX", falcon, 11, 2, 2, 6);
  neox.rope_dims = 2, neox.shared_norm = false, neox.set_biases(true);
  add("LLaMA", llama, 10, 4, 2, 4);
  add("LLaMA with biases", llama, 9, 3, 1, 2).set_biases(true);
  add("Qwen 2", llama, 9, 2, 1, 4).qkv_bias = true;
  add("Qwen 3", llama, 10, 4, 2, 4).head_norm = kEachHead;
  ModelConfig& phi = add("Phi-3", llama, 11, 4, 2, 6);
  phi.qkv = kByPart, phi.mlp = kGatedInOne, phi.rope_dims = 4, phi.windows = {2};
  ModelConfig& gemma = add("Gemma 2", llama, 10, 4, 2, 4);
  gemma.norm_offset = 1, gemma.norm_behind = true, gemma.score_scale = 0.3, gemma.score_cap = 0.7;
  gemma.windows = {3}, gemma.window_rope_base = 50, gemma.activation = Activation::kGeluTanh;
  ModelConfig& olmo = add("OLMo 2", llama, 9, 4, 4, 2);
  olmo.norm_before = false, olmo.norm_behind = true, olmo.head_norm = kAllHeads;
  ModelConfig& stable = add("StableLM", llama, 11, 2, 1, 6);
  stable.norm = ModelConfig::NormKind::kLayer, stable.rope_dims = 2;
  ModelConfig& parallel = add("StableLM, parallel", stable, 11, 2, 1, 6);
  parallel.parallel = parallel.shared_norm = true, parallel.rope_dims = 2;
  ModelConfig& cohere = add("Cohere", llama, 11, 4, 2, 6);
  cohere.norm = ModelConfig::NormKind::kLayer, cohere.norm_bias = false;
  cohere.parallel = cohere.shared_norm = true, cohere.rope_interleaved = true;
  ModelConfig& h1 = add("Falcon-H1", llama, 10, 4, 2, 4);
  h1.ssm = {.heads = 4,
            .head_size = 3,
            .groups = 2,
            .state = 5,
            .taps = 3,
            .in_scale = 1.25,
            .out_scale = 0.9};
  h1.ssm.part_scales = {0.7, 1.2, 0.8, 1.4, 0.6};
  h1.attention_in_scale = 1.3, h1.attention_out_scale = 0.8, h1.key_scale = 0.6;
  h1.gate_scale = 0.85, h1.down_scale = 1.1;
  ModelConfig& normed = add("Falcon-H1, norms and biases", h1, 9, 2, 1, 6);
  normed.ssm.norm = normed.ssm.in_bias = normed.ssm.out_bias = true;
  normed.attention_in_scale = normed.ssm.out_scale = 1;
  normed.set_biases(true);
  ModelConfig& unscaled = add("Falcon-H1, one group", llama, 11, 2, 1, 4);
  unscaled.ssm = {.heads = 3, .head_size = 2, .state = 4, .taps = 4, .conv_bias = false};
  ModelConfig& tanh = add("parallel, GELU by tanh", falcon, 9, 3, 1, 4);
  tanh.activation = Activation::kGeluTanh, tanh.qkv = kSplit;
  return kinds;
}

/// Parameters with random values, and what a layer reads beside them: two sequences of 4 and 3 tokens.
class TestLayer {
 public:
  explicit TestLayer(const ModelConfig& config) : config_(config) {
    falconer::Block::declare(config, 0, [&](const ModuleShape& shape) {
      Module module{.id = shape.id,
                    .kind = shape.kind,
                    .name = std::string(role_name(shape.id.role)),
                    .parts = shape.parts};
      const bool vector = shape.kind == ModuleKind::kNorm || shape.kind == ModuleKind::kVector;
      module.w = make({shape.id.role, false}, vector ? 1 : shape.out, vector ? shape.out : shape.in,
                      module.name + ".w");
      if (shape.bias) module.b = make({shape.id.role, true}, 1, shape.out, module.name + ".b");
      weights_.modules.push_back(std::move(module));
    });
    if (config.rope_dims > 0) {
      rope_ = Tensor(8, config.rope_dims, Dtype::kF32);
      rope_table(run_.run, rope_.view(), 100);
    }
    if (config.window_rope_base > 0) {
      window_rope_ = Tensor(8, config.rope_dims, Dtype::kF32);
      rope_table(run_.run, window_rope_.view(), config.window_rope_base);
    }
    if (config.alibi) {
      alibi_ = Tensor(1, config.heads, Dtype::kF32);
      for (int64_t h = 0; h < config.heads; ++h)
        alibi_.view().row<float>(0)[h] = 1.0f / static_cast<float>(2 << h);
    }
    run_.run.keep = true;
  }

  const ModelConfig& config() const { return config_; }
  const Batch& batch() const { return batch_.batch(); }
  int64_t tokens() const { return batch().tokens(); }
  BlockTables tables() const {
    const auto view = [](const Tensor& t) { return t.view().size() > 0 ? t.view() : View{}; };
    return {.rope = view(rope_), .window_rope = view(window_rope_), .alibi = view(alibi_)};
  }
  Run& run() { return run_.run; }

  /// Numbers of the tensors: of all, or of those of some roles.
  std::vector<int> parts(const std::set<Role>& roles = {}) const {
    std::vector<int> all;
    for (size_t i = 0; i < parts_.size(); ++i)
      if (roles.empty() || roles.contains(parts_[i].part.role)) all.push_back(static_cast<int>(i));
    return all;
  }
  /// The number of a tensor, or -1.
  int number(Role role, bool bias = false) const {
    for (size_t i = 0; i < parts_.size(); ++i)
      if (parts_[i].part.role == role && parts_[i].part.bias == bias) return static_cast<int>(i);
    return -1;
  }
  const std::string& name(int part) const { return parts_[static_cast<size_t>(part)].param.name; }
  LayerOf<double> values() const {
    LayerOf<double> out;
    for (const Part& part : parts_) out.push_back(part.value.values());
    return out;
  }
  /// These learn from here on, from gradients of zero.
  void learn(const std::set<int>& learning) {
    int number = 0;
    for (Part& part : parts_) {
      part.grad.emplace(Block<double>(part.value.values().rows(), part.value.values().cols()));
      part.param.learns = learning.contains(number++);
      part.param.grad = part.param.learns ? part.grad->view() : View{};
    }
  }
  Block<double> grad(int part) const {
    const Part& of = parts_[static_cast<size_t>(part)];
    EXPECT_TRUE(of.grad->margin_intact()) << name(part);
    return of.grad->values();
  }
  /// Those of a decoder that has this layer alone.
  const Weights& weights() const { return weights_; }

 private:
  struct Part {
    LayerPart part;
    TestView value;
    std::optional<TestView> grad;
    Param param;
  };

  Param* make(const LayerPart& part, int64_t rows, int64_t cols, const std::string& name) {
    // Sums about 1, so that no softmax is a step; scales of a norm about 1.
    const double size = rows == 1 ? 0.5 : 1 / std::sqrt(static_cast<double>(cols));
    const bool scales = rows == 1 && !part.bias;
    const double middle = scales ? 1 - config_.norm_offset : 0;
    const auto seed = static_cast<uint32_t>(50 + 2 * static_cast<int>(part.role) + part.bias);
    Part& made = parts_.emplace_back(Part{
        part,
        TestView(map(random_block(rows, cols, seed), [&](double x) { return middle + size * x; })),
        {},
        {}});
    made.param.name = name;
    made.param.shape = rows == 1 ? std::vector<int64_t>{cols} : std::vector<int64_t>{rows, cols};
    made.param.value = made.value.view();
    return &made.param;
  }

  ModelConfig config_;
  OpRun run_;
  std::deque<Part> parts_;
  Weights weights_;
  Tensor rope_, window_rope_, alibi_;
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
      : test_(test), c_(test.config()), layer_(layer), wanted_(std::move(wanted)) {}

  Block<S> mlp(const Block<S>& n) const {
    Block<S> act(n.rows(), c_.mlp_width);
    const S gate_scale(static_cast<double>(static_cast<float>(c_.gate_scale)));
    if (c_.mlp == ModelConfig::MlpKind::kPlain) {
      const Block<S> pre = product(n, Role::kUp);
      for (int64_t i = 0; i < act.rows(); ++i)
        for (int64_t j = 0; j < act.cols(); ++j)
          act(i, j) = scalar::activate(c_.activation, pre(i, j));
    } else {
      const bool one = c_.mlp == ModelConfig::MlpKind::kGatedInOne;
      const Block<S> gate = product(n, one ? Role::kGateUp : Role::kGate),
                     up = one ? gate : product(n, Role::kUp);
      for (int64_t i = 0; i < act.rows(); ++i)
        for (int64_t j = 0; j < act.cols(); ++j)
          act(i, j) = scalar::activate(c_.activation, gate_scale * gate(i, j)) *
                      up(i, one ? j + c_.mlp_width : j);
    }
    return scaled(product(act, Role::kDown), c_.down_scale);
  }

  /// The state space mixer: its factors are applied, and its parts cut, here again.
  Block<S> ssm(const Block<S>& n) const {
    const SsmConfig& s = c_.ssm;
    const int64_t rows = n.rows(), width = s.width(), bc = s.group_rows();
    Block<S> p = product(scaled(n, s.in_scale), Role::kSsmIn);
    const int64_t ends[] = {width, 2 * width, 2 * width + bc, 2 * width + 2 * bc, p.cols()};
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0, k = 0; j < p.cols(); ++j) {
        if (j == ends[k]) ++k;
        p(i, j) = p(i, j) *
                  S(static_cast<double>(static_cast<float>(s.part_scales[static_cast<size_t>(k)])));
      }
    Block<S> mixed(rows, s.conv_rows()), y(rows, width), at = columns(p, width, s.conv_rows());
    const Block<S>& conv_bias = part(Role::kSsmConv, true);
    scalar::conv1d_forward<S>({.x = at.cmat(),
                               .w = part(Role::kSsmConv).cmat(),
                               .b = conv_bias.rows() > 0 ? conv_bias.cmat() : Mat<const S>{},
                               .tails = {},
                               .spans = test_.batch().states},
                              mixed.mat(), 0, mixed.cols());
    const Block<S> x = columns(mixed, 0, width), b = columns(mixed, width, bc),
                   c = columns(mixed, width + bc, bc),
                   dt = columns(p, width + s.conv_rows(), s.heads);
    scalar::scan_forward<S>({.x = x.cmat(),
                             .dt = dt.cmat(),
                             .b = b.cmat(),
                             .c = c.cmat(),
                             .a_log = part(Role::kSsmDecay).cmat(),
                             .d = part(Role::kSsmSkip).cmat(),
                             .dt_bias = part(Role::kSsmTimeBias).cmat(),
                             .spans = test_.batch().states,
                             .groups = s.groups},
                            y.mat(), {}, {}, 0, s.heads);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < width; ++j)
        y(i, j) = y(i, j) * scalar::activate(Activation::kSilu, p(i, j));
    if (s.norm) y = norm_groups(y);
    return scaled(product(taken(y), Role::kSsmOut), s.out_scale);
  }

  Block<S> attention(const Block<S>& from) const {
    const Block<S> n = scaled(from, c_.attention_in_scale);
    const int64_t d = c_.head_size, rows = n.rows();
    Block<S> q(rows, c_.q_rows()), k(rows, c_.kv_rows()), v(rows, c_.kv_rows());
    split(n, q, k, v);
    if (c_.head_norm != ModelConfig::HeadNorm::kNone) {
      norm_heads(q, c_.heads, Role::kQNorm);
      norm_heads(k, c_.groups, Role::kKNorm);
    }
    const int64_t m = c_.per_group();
    const HeadsMat<S> queries{q.mat(), c_.groups, m, m * d, d}, keys{k.mat(), c_.groups, 1, d, d};
    const bool own = c_.window(0) > 0 && c_.window_rope_base > 0;
    const View table = own ? test_.tables().window_rope : test_.tables().rope;
    if (table) {
      Block<S> angles(table.rows, table.cols);
      for (int64_t i = 0; i < table.rows; ++i)
        for (int64_t j = 0; j < table.cols; ++j) angles(i, j) = table.row<float>(i)[j];
      const int32_t* positions = test_.batch().positions.row<int32_t>(0);
      scalar::rope<S>(queries, positions, angles, false, 0, rows, c_.rope_interleaved);
      scalar::rope<S>(keys, positions, angles, false, 0, rows, c_.rope_interleaved);
    }
    const double usual = 1 / std::sqrt(static_cast<double>(d));
    const double scale =
        static_cast<float>(c_.key_scale * (c_.score_scale != 0 ? c_.score_scale : usual));
    const View slopes = test_.tables().alibi;
    Block<S> out(rows, c_.q_rows()), lse(rows, c_.heads);
    scalar::attention_forward<S>({q.cmat(), c_.groups, m, m * d, d}, {k.cmat(), c_.groups, 1, d, d},
                                 {v.cmat(), c_.groups, 1, d, d},
                                 slopes ? slopes.as<const float>() : Mat<const float>{}, out, lse,
                                 test_.batch().spans, scale, 0, c_.heads,
                                 {.window = c_.window(0), .cap = static_cast<float>(c_.score_cap)});
    return scaled(product(taken(out), Role::kDense), c_.attention_out_scale);
  }

  Block<S> block(const Block<S>& x) const {
    const auto before = [&](const Block<S>& at, Role role) {
      return c_.norm_before ? norm(at, role) : at;
    };
    const auto behind = [&](const Block<S>& made, Role role) {
      return c_.norm_behind ? norm(made, role) : made;
    };
    const Block<S> n1 = before(x, Role::kAttentionNorm), from = taken(x),
                   a = behind(attention(n1), Role::kAttentionNormBehind);
    if (c_.parallel)
      return sum(from, a, mlp(c_.shared_norm ? taken(n1) : norm(from, Role::kMlpNorm)));
    const Block<S> z = sum(from, a, c_.ssm.heads > 0 ? ssm(n1) : Block<S>{});
    return sum(z, behind(mlp(before(z, Role::kMlpNorm)), Role::kMlpNormBehind), {});
  }

 private:
  const Block<S>& part(Role role, bool bias = false) const {
    static const Block<S> none;
    const int number = test_.number(role, bias);
    return number < 0 ? none : layer_[static_cast<size_t>(number)];
  }
  Block<S> product(const Block<S>& x, Role role) const {
    const Block<S>&w = part(role), &b = part(role, true);
    Block<S> y(x.rows(), w.rows());
    scalar::linear_forward<S, S, S>(x, w, b.rows() > 0 ? b.cmat() : Mat<const S>{}, y, 1, false, 0,
                                    x.rows());
    return y;
  }
  /// Queries, keys and values apart, whatever they are made by.
  void split(const Block<S>& n, Block<S>& q, Block<S>& k, Block<S>& v) const {
    if (c_.qkv == ModelConfig::Qkv::kSplit) {
      q = product(n, Role::kQ), k = product(n, Role::kK), v = product(n, Role::kV);
      return;
    }
    const Block<S> qkv = product(n, Role::kQkv);
    const std::vector<SitePart> parts = qkv_parts(c_);
    for (Block<S>* to : {&q, &k, &v}) {
      int64_t column = 0;
      for (const RowRange& range : parts[to == &q ? 0 : to == &k ? 1 : 2].rows)
        for (int64_t j = 0; j < range.count; ++j, ++column)
          for (int64_t i = 0; i < n.rows(); ++i) (*to)(i, column) = qkv(i, range.begin + j);
    }
  }
  void norm_heads(Block<S>& x, int64_t heads, Role role) const {
    const bool together = c_.head_norm == ModelConfig::HeadNorm::kAllHeads;
    Block<S> from = x, stats(x.rows(), heads);
    const int64_t count = together ? 1 : heads, size = x.cols() / count;
    scalar::rms_norm_forward<S>({from.cmat(), count, 1, size, size}, part(role),
                                {x.mat(), count, 1, size, size}, stats,
                                static_cast<float>(c_.norm_eps), c_.norm_offset, 0, x.rows());
  }
  Block<S> norm(const Block<S>& x, Role role) const {
    Block<S> y(x.rows(), x.cols()), stats(x.rows(), 2);
    const double eps = static_cast<float>(c_.norm_eps);
    const Block<S>& bias = part(role, true);
    if (c_.norm == ModelConfig::NormKind::kRms)
      scalar::rms_norm_forward<S>({x.cmat(), 1, 1, 0, x.cols()}, part(role),
                                  {y.mat(), 1, 1, 0, x.cols()}, stats, eps, c_.norm_offset, 0,
                                  x.rows());
    else
      scalar::norm_forward<S>(x, part(role), bias.rows() > 0 ? bias.cmat() : Mat<const S>{}, y,
                              stats, eps, 0, x.rows());
    return y;
  }
  /// Each group of columns by itself.
  Block<S> norm_groups(const Block<S>& x) const {
    using std::sqrt;
    const int64_t size = x.cols() / c_.ssm.groups;
    const Block<S>& w = part(Role::kSsmNorm);
    Block<S> y(x.rows(), x.cols());
    for (int64_t i = 0; i < x.rows(); ++i)
      for (int64_t g = 0; g < c_.ssm.groups; ++g) {
        S sum(0.0);
        for (int64_t j = g * size; j < (g + 1) * size; ++j) sum += x(i, j) * x(i, j);
        const S r = S(1.0) / sqrt(sum / S(static_cast<double>(size)) +
                                  S(static_cast<double>(static_cast<float>(c_.norm_eps))));
        for (int64_t j = g * size; j < (g + 1) * size; ++j) y(i, j) = x(i, j) * r * w(0, j);
      }
    return y;
  }
  static Block<S> columns(const Block<S>& x, int64_t first, int64_t count) {
    Block<S> y(x.rows(), count);
    for (int64_t i = 0; i < x.rows(); ++i)
      for (int64_t j = 0; j < count; ++j) y(i, j) = x(i, first + j);
    return y;
  }
  static Block<S> scaled(const Block<S>& x, double factor) {
    if (factor == 1) return x;
    Block<S> y = x;
    for (int64_t i = 0; i < x.rows(); ++i)
      for (int64_t j = 0; j < x.cols(); ++j)
        y(i, j) = x(i, j) * S(static_cast<double>(static_cast<float>(factor)));
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
  const ModelConfig& c_;
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
  for (Block<Dual>& part : layer) out.parts.push_back(dual_gradient(part, loss));
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
      expect_gradient(test.grad(part), want.parts[static_cast<size_t>(part)],
                      what + ": " + test.name(part));
    else
      EXPECT_EQ(max_abs(test.grad(part)), 0) << what << ": " << test.name(part) << " is frozen";
  }
}

/// All of `parts`, none, and each alone.
inline std::vector<std::set<int>> choices(const std::vector<int>& parts) {
  std::vector<std::set<int>> all = {{parts.begin(), parts.end()}, {}};
  for (const int part : parts) all.push_back({part});
  return all;
}

}  // namespace falconer::test
