#include "model/mlp.h"

#include "support/dual_layer.h"

namespace falconer::test {
namespace {

/// One pass forward and back with these learning; the gradient of the input where it is wanted, without what
/// it was added to.
Block<double> mlp_pass(TestLayer& test, const Block<double>& n, const Block<double>& weights,
                       const std::set<int>& learning, bool want_dn, bool add_dn) {
  test.learn(learning);
  const Mlp mlp(test.config(), test.weights(), 0);
  const BlockTables tables = test.tables();
  const MixerPass pass{test.batch(), {}, tables};
  const TestView input(n), dy(weights);
  const TestView y(n.rows(), n.cols()), dn(n.rows(), n.cols(), Dtype::kF32, 7);
  const Block<double> before = dn.values();
  const ArenaScope kept_scope(*test.run().kept), scope(*test.run().scratch);
  MixerKept kept;
  mlp.forward(test.run(), pass, input, y, nullptr, want_dn, kept);
  const Block<double> want = LayerForward<double>(test, test.values()).mlp(input.values());
  EXPECT_LE(relative_error(y.values(), want), 3e-6);
  mlp.backward(test.run(), pass, dy, want_dn ? dn.view() : View{}, add_dn, kept);
  EXPECT_TRUE(same_values(dy.values(), weights)) << "dy is left as it was";
  EXPECT_TRUE(dn.margin_intact());
  return add_dn ? dn.values() + map(before, [](double x) { return -x; }) : dn.values();
}

TEST(Mlp, BackwardMatchesDualNumbersWhateverLearns) {
  for (const auto& [name, config] : layer_kinds()) {
    TestLayer test(config);
    const Block<double> n = TestView(test.tokens(), config.width, Dtype::kF32, 1).values(),
                        dy = TestView(test.tokens(), config.width, Dtype::kF32, 2).values();
    const LayerGradients want =
        dual_gradients(test, n, dy, [&](const LayerOf<Dual>& layer, const Block<Dual>& x) {
          return LayerForward<Dual>(test, layer).mlp(x);
        });
    const std::vector<int> parts = test.parts({Role::kGateUp, Role::kGate, Role::kUp, Role::kDown});
    for (const std::set<int>& learning : choices(parts))
      for (const bool want_dn : {true, false})
        for (const bool add_dn : {true, false}) {
          if (!want_dn && (learning.empty() || add_dn)) continue;
          const Block<double> dn = mlp_pass(test, n, dy, learning, want_dn, add_dn);
          if (want_dn) expect_gradient(dn, want.x, name + (add_dn ? ": dn added" : ": dn"));
          expect_gradients(test, want, learning, name);
        }
  }
}

}  // namespace
}  // namespace falconer::test
