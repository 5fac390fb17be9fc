// Kernels of the decoders that came after Falcon, of every table, against the readable definition.
#include "base/threads.h"
#include "support/heads_case.h"
#include "support/tables.h"

namespace falconer::test {
namespace {

class TablesDecoder : public Tables {};

constexpr Activation kEveryActivation[] = {Activation::kSilu, Activation::kGelu,
                                           Activation::kGeluTanh};

TEST_P(TablesDecoder, RmsNorm) {
  for (const HeadsShape& s :
       {HeadsShape{3, 1, 1, 1}, HeadsShape{3, 1, 1, 5}, HeadsShape{2, 1, 1, 131},
        HeadsShape{5, 2, 3, 16}, HeadsShape{70, 3, 1, 20}, HeadsShape{3, 1, 2, 600}})
    for (const bool add : {false, true})
      compare(
          [&](falconer::Run& run) {
            const TestView x(s.rows, s.fused(), dtype(), 1), w(1, s.size),
                dy(s.rows, s.fused(), dtype(), 3);
            std::vector<TestView> out =
                list(TestView(s.rows, s.fused(), dtype(), 4), TestView(s.rows, s.heads()),
                     TestView(s.rows, s.fused(), dtype(), 5), TestView(1, s.size));
            const float offset = add ? 1 : 0;
            rms_norm_forward(run, {.x = s.q(x.view()),
                                   .y = s.q(out[0].view()),
                                   .w = w,
                                   .stats = out[1],
                                   .offset = offset});
            rms_norm_backward(run, {.x = s.q(x.view()),
                                    .w = w,
                                    .stats = out[1],
                                    .dy = s.q(dy.view()),
                                    .dx = s.q(out[2].view()),
                                    .dw = out[3],
                                    .offset = offset,
                                    .add_dx = add});
            return out;
          },
          512);
}

TEST_P(TablesDecoder, RmsNormInPlace) {
  const HeadsShape s{3, 2, 2, 37};
  const TestView w(1, s.size), stats(s.rows, s.heads()), none(1, s.size);
  const TestView x(s.rows, s.fused(), dtype(), 1), y(s.rows, s.fused(), dtype(), 1);
  const TestView dy(s.rows, s.fused(), dtype(), 3), dx(s.rows, s.fused(), dtype(), 3);
  const TestView dw(1, s.size), dw_in_place(1, s.size);
  OpRun fast(kernels());
  const auto back = [&](const TestView& to, const TestView& sum) {
    rms_norm_backward(fast.run, {.x = s.q(x.view()),
                                 .w = w,
                                 .stats = stats,
                                 .dy = s.q(to.view()),
                                 .dx = s.q(dx.view()),
                                 .dw = sum});
  };
  rms_norm_forward(fast.run, {.x = s.q(x.view()), .y = s.q(y.view()), .w = w, .stats = stats});
  back(dy, dw);
  const Block<double> wanted = dx.values();
  rms_norm_backward(fast.run, {.x = s.q(x.view()),
                               .w = w,
                               .stats = stats,
                               .dy = s.q(dy.view()),
                               .dx = s.q(dy.view()),
                               .dw = dw_in_place});
  EXPECT_TRUE(same_values(dy.values(), wanted));
  EXPECT_TRUE(same_values(dw.values(), dw_in_place.values()));
  rms_norm_forward(fast.run, {.x = s.q(x.view()), .y = s.q(x.view()), .w = w, .stats = stats});
  EXPECT_TRUE(same_values(x.values(), y.values()));
}

TEST_P(TablesDecoder, RmsNormsWeightGradientIsTheSameAtAnyThreadCount) {
  const HeadsShape s{9, 2, 4, 200};
  const TestView x(s.rows, s.fused(), dtype(), 1), dy(s.rows, s.fused(), dtype(), 2),
      stats(s.rows, s.heads());
  OpRun fast(kernels());
  const int before = thread_count();
  std::vector<Block<double>> sums;
  for (const int threads : {1, 2, 3, 7}) {
    set_thread_count(threads);
    const TestView dw(1, s.size);
    rms_norm_backward(fast.run,
                      {.x = s.q(x.view()), .stats = stats, .dy = s.q(dy.view()), .dw = dw});
    sums.push_back(dw.values());
  }
  set_thread_count(before);
  for (const Block<double>& sum : sums) EXPECT_TRUE(same_values(sum, sums[0]));
}

TEST_P(TablesDecoder, Gated) {
  for (const Activation act : kEveryActivation)
    for (const int64_t c : {1, 7, 64, 100})
      compare([&](falconer::Run& run) {
        // Columns of one buffer, as Phi-3's product writes them.
        const TestView both(map(random_block(4, 2 * c, 1), [](double v) { return 3 * v; }),
                            dtype());
        const View gate = both.view().col_range(0, c), up = both.view().col_range(c, c);
        const TestView dy(4, c, dtype(), 2);
        std::vector<TestView> out =
            list(TestView(4, c, dtype(), 3), TestView(4, 2 * c, dtype(), 4));
        gated_forward(run, {.gate = gate, .up = up, .y = out[0], .act = act});
        gated_backward(run, {.gate = gate,
                             .up = up,
                             .dy = dy,
                             .dgate = out[1].view().col_range(0, c),
                             .dup = out[1].view().col_range(c, c),
                             .act = act});
        return out;
      });
}

// Every way that the contract allows gives what separate memory does.
TEST_P(TablesDecoder, GatedInPlace) {
  const int64_t c = 37;
  const auto made = [&](uint32_t seed) { return TestView(3, c, dtype(), seed); };
  for (const Activation act : kEveryActivation) {
    OpRun fast(kernels());
    const TestView gate = made(1), up = made(2), dy = made(3), y = made(4), dgate = made(5),
                   dup = made(6);
    gated_forward(fast.run, {.gate = gate, .up = up, .y = y, .act = act});
    gated_backward(fast.run,
                   {.gate = gate, .up = up, .dy = dy, .dgate = dgate, .dup = dup, .act = act});
    for (int where = 0; where < 2; ++where) {
      const TestView g = made(1), u = made(2);
      const TestView& to = where == 0 ? g : u;
      gated_forward(fast.run, {.gate = g, .up = u, .y = to, .act = act});
      EXPECT_TRUE(same_values(to.values(), y.values())) << where;
    }
    for (int first = 0; first < 4; ++first)
      for (int second = 0; second < 4; ++second) {
        if (first == second) continue;
        const TestView views[] = {made(1), made(2), made(3), made(4)};
        gated_backward(fast.run, {.gate = views[0],
                                  .up = views[1],
                                  .dy = views[2],
                                  .dgate = views[first],
                                  .dup = views[second],
                                  .act = act});
        EXPECT_TRUE(same_values(views[first].values(), dgate.values())) << first << second;
        EXPECT_TRUE(same_values(views[second].values(), dup.values())) << first << second;
      }
  }
}

TEST_P(TablesDecoder, GeluByTanh) {
  for (const int64_t c : {1, 7, 64, 100})
    compare([&](falconer::Run& run) {
      const TestView x(map(random_block(4, c, 1), [](double v) { return 3 * v; }), dtype());
      std::vector<TestView> out = list(TestView(4, c, dtype(), 2), TestView(4, c, dtype(), 3));
      gelu_forward(run, {.x = x, .y = out[0], .tanh = true});
      gelu_backward(run, {.x = x, .d = out[1], .tanh = true});
      return out;
    });
}

// Where a number is not finite, no activation makes one of it.
TEST_P(TablesDecoder, NanStaysNan) {
  Block<double> values = random_block(1, 40, 1);
  values(0, 3) = values(0, 39) = NAN;
  const TestView x(values, dtype()), y(1, 40, dtype()), one(1, 40, dtype(), 2);
  OpRun fast(kernels());
  const auto expect = [&](const TestView& out) {
    const Block<double> got = out.values();
    for (int64_t c = 0; c < 40; ++c) EXPECT_EQ(std::isnan(got(0, c)), c == 3 || c == 39) << c;
  };
  for (const Activation act : kEveryActivation) {
    gated_forward(fast.run, {.gate = x, .up = one, .y = y, .act = act});
    expect(y);
    gated_backward(fast.run, {.gate = x, .up = one, .dy = one, .dgate = y, .act = act});
    expect(y);
  }
  soft_cap_forward(fast.run, {.x = x, .cap = 2});
  expect(x);
}

TEST_P(TablesDecoder, SoftCapAndScale) {
  for (const int64_t c : {1, 7, 64, 100})
    compare([&](falconer::Run& run) {
      std::vector<TestView> out =
          list(TestView(map(random_block(4, c, 1), [](double v) { return 20 * v; })),
               TestView(4, c, dtype(), 2), TestView(4, c, dtype(), 3));
      soft_cap_forward(run, {.x = out[0], .cap = 30});
      soft_cap_backward(run, {.y = out[0], .d = out[1], .cap = 30});
      scale(run, {.x = out[2], .factor = 0.3f});
      return out;
    });
}

INSTANTIATE_TEST_SUITE_P(All, TablesDecoder, kEveryCase, name_of_case);

}  // namespace
}  // namespace falconer::test
