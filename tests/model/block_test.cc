#include "model/block.h"

#include "support/dual_layer.h"

namespace falconer::test {
namespace {

struct BlockPass {
  std::set<int> learning;
  bool want_dx = true;
  bool recompute = false;  // y of a second forward is not wanted: it is for backward alone
  std::vector<int32_t> wanted;
};

/// Forward and back; the gradient of x where it is wanted.
Block<double> block_pass(TestLayer& test, const Block<double>& at, const Block<double>& weights,
                         BlockPass p) {
  test.learn(p.learning);
  const falconer::Block block(test.config(), test.weights(), 0);
  const View wanted = p.wanted.empty() ? View{} : ints(p.wanted);
  const TestView x(at), y(weights.rows(), at.cols()), dy(weights);
  // Where all rows are wanted the gradient of x takes the place of y's.
  const TestView apart(at.rows(), at.cols(), Dtype::kF32, 7);
  const TestView& dx = p.wanted.empty() ? dy : apart;
  const ArenaScope kept_scope(*test.run().kept), scope(*test.run().scratch);
  BlockKept kept;
  block.forward(test.run(), test.batch(), x, wanted, p.recompute ? View{} : y.view(), test.tables(),
                nullptr, p.want_dx, kept);
  const LayerOf<double> values = test.values();
  if (!p.recompute) {
    const Block<double> want = LayerForward<double>(test, values, p.wanted).block(x.values());
    EXPECT_LE(relative_error(y.values(), want), 3e-6);
  }
  EXPECT_TRUE(same_values(x.values(), at)) << "x is left as it was";
  block.backward(test.run(), test.batch(), dy, dx, test.tables(), p.want_dx, kept);
  EXPECT_TRUE(dx.margin_intact() && dy.margin_intact());
  return dx.values();
}

TEST(DecoderBlock, BackwardMatchesDualNumbersWhateverLearns) {
  for (const auto& [name, config] : layer_kinds())
    for (const std::vector<int32_t>& wanted : {std::vector<int32_t>{}, {0, 3, 5}}) {
      TestLayer test(config);
      const int64_t rows = wanted.empty() ? test.tokens() : std::ssize(wanted);
      const Block<double> x = TestView(test.tokens(), config.width, Dtype::kF32, 1).values(),
                          dy = TestView(rows, config.width, Dtype::kF32, 2).values();
      const LayerGradients want =
          dual_gradients(test, x, dy, [&](const LayerOf<Dual>& layer, const Block<Dual>& at) {
            return LayerForward<Dual>(test, layer, wanted).block(at);
          });
      for (const std::set<int>& learning : choices(test.parts()))
        for (const bool want_dx : {true, false})
          for (const bool recompute : {true, false}) {
            if (learning.empty() && !want_dx) continue;
            const std::string what =
                name + (wanted.empty() ? "" : ", some rows") +
                (recompute ? ", computed again" : "") +
                (learning.size() == 1 ? ", only " + test.name(*learning.begin()) : "");
            const Block<double> dx =
                block_pass(test, x, dy, {learning, want_dx, recompute, wanted});
            if (want_dx) expect_gradient(dx, want.x, what + ": dx");
            expect_gradients(test, want, learning, what);
          }
    }
}

}  // namespace
}  // namespace falconer::test
