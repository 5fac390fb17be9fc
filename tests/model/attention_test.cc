#include "model/attention.h"

#include "support/dual_layer.h"

namespace falconer::test {
namespace {

struct AttentionPass {
  std::set<int> learning;
  bool want_dn = true, add_dn = false;
  std::vector<int32_t> wanted;
};

/// Forward and back; the gradient of the input, where it is wanted, without what it was added to.
Block<double> attention_pass(TestLayer& test, const Block<double>& n, const Block<double>& weights,
                             AttentionPass p) {
  test.learn(p.learning);
  const Attention attention(test.config(), test.weights(), 0);
  const BlockTables tables = test.tables();
  const View wanted = p.wanted.empty() ? View{} : ints(p.wanted);
  const TestView input(n), dy(weights), dn(n.rows(), n.cols(), Dtype::kF32, 7);
  const TestView y(weights.rows(), n.cols());
  const Block<double> before = dn.values();
  const ArenaScope kept_scope(*test.run().kept), scope(*test.run().scratch);
  MixerKept kept;
  const MixerPass pass{test.batch(), wanted, tables};
  attention.forward(test.run(), pass, input, y, nullptr, p.want_dn, kept);
  const LayerOf<double> values = test.values();
  EXPECT_LE(relative_error(y.values(),
                           LayerForward<double>(test, values, p.wanted).attention(input.values())),
            3e-6);
  attention.backward(test.run(), pass, dy, p.want_dn ? dn.view() : View{}, p.add_dn, kept);
  EXPECT_TRUE(same_values(dy.values(), weights)) << "dy is left as it was";
  EXPECT_TRUE(dn.margin_intact());
  EXPECT_TRUE(p.want_dn || same_values(dn.values(), before));
  return p.add_dn ? dn.values() + map(before, [](double x) { return -x; }) : dn.values();
}

TEST(AttentionBranch, BackwardMatchesDualNumbersWhateverLearns) {
  for (const auto& [name, config] : layer_kinds())
    for (const std::vector<int32_t>& wanted : {std::vector<int32_t>{}, {1, 3, 5}}) {
      TestLayer test(config);
      const int64_t rows = wanted.empty() ? test.tokens() : std::ssize(wanted);
      const Block<double> n = TestView(test.tokens(), config.width, Dtype::kF32, 1).values(),
                          dy = TestView(rows, config.width, Dtype::kF32, 2).values();
      const LayerGradients want =
          dual_gradients(test, n, dy, [&](const LayerOf<Dual>& layer, const Block<Dual>& x) {
            return LayerForward<Dual>(test, layer, wanted).attention(x);
          });
      const std::vector<int> parts = test.parts(
          {Role::kQkv, Role::kQ, Role::kK, Role::kV, Role::kQNorm, Role::kKNorm, Role::kDense});
      const std::string what = name + (wanted.empty() ? "" : ", some rows");
      for (const std::set<int>& learning : choices(parts))
        for (const bool want_dn : {true, false})
          for (const bool add_dn : {true, false}) {
            if (!want_dn && (learning.empty() || add_dn)) continue;
            const Block<double> dn =
                attention_pass(test, n, dy, {learning, want_dn, add_dn, wanted});
            if (want_dn) expect_gradient(dn, want.x, what + (add_dn ? ": dn added" : ": dn"));
            expect_gradients(test, want, learning, what);
          }
    }
}

}  // namespace
}  // namespace falconer::test
