// Every kernel of every table against the readable definition.
#include "support/tables.h"

#include "support/heads_case.h"

namespace falconer::test {
namespace {

struct ProductShape {
  int64_t n, k, m;
};
constexpr ProductShape kProductShapes[] = {
    {1, 1, 1},    {1, 67, 5},    {2, 64, 33},    {3, 130, 7},   {4, 31, 70},
    {5, 48, 3},   {6, 100, 9},   {7, 65, 17},    {8, 257, 12},  {9, 40, 21},
    {40, 8, 600}, {19, 600, 11}, {50, 16, 300},  {9, 13, 77},   {13, 515, 29},
    {17, 64, 26}, {22, 513, 3},  {32, 1100, 51}, {33, 70, 129}, {70, 256, 1030}};

TEST_P(Tables, LinearForward) {
  for (const ProductShape& s : kProductShapes)
    for (const bool add : {false, true})
      for (const Dtype out : {dtype(), Dtype::kF32}) {
        SCOPED_TRACE(fmt::format("{} x {} x {}", s.n, s.k, s.m));
        compare([&](falconer::Run& run) {
          const TestView x(s.n, s.k, dtype(), 1), w(s.m, s.k, dtype(), 2), b(1, s.m);
          std::vector<TestView> y = list(TestView(s.n, s.m, out, 3), TestView(s.n, s.m, out, 4));
          linear_forward(run, {.x = x, .w = w, .y = y[0], .scale = 0.5f, .add = add});
          linear_forward(run, {.x = x, .w = w, .b = b, .y = y[1], .add = add});
          return y;
        });
      }
}

// What decoding relies on: an answer does not depend on those that are decoded beside it.
TEST_P(Tables, LinearForwardOfARowIsThatOfManyBitForBit) {
  for (const int64_t n : {2, 3, 5, 8, 13, 32}) {
    if (n > small_rows()) continue;
    const int64_t k = 1100, m = 51;
    OpRun fast(kernels());
    const TestView x(n, k, dtype(), 1), w(m, k, dtype(), 2), all(n, m, Dtype::kF32),
        one(n, m, Dtype::kF32);
    linear_forward(fast.run, {.x = x, .w = w, .y = all});
    for (int64_t i = 0; i < n; ++i)
      linear_forward(fast.run,
                     {.x = x.view().row_range(i, 1), .w = w, .y = one.view().row_range(i, 1)});
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < m; ++j)
        ASSERT_EQ(all.values()(i, j), one.values()(i, j)) << n << " rows, at " << i << "," << j;
  }
}

TEST_P(Tables, LinearBackward) {
  for (const ProductShape& s : kProductShapes)
    for (const bool add : {false, true}) {
      SCOPED_TRACE(fmt::format("{} x {} x {}", s.n, s.k, s.m));
      compare([&](falconer::Run& run) {
        const TestView x(s.n, s.k, dtype(), 1), w(s.m, s.k, dtype(), 2), dy(s.n, s.m, dtype(), 3);
        std::vector<TestView> out =
            list(TestView(s.n, s.k, dtype(), 4), TestView(s.m, s.k), TestView(1, s.m));
        linear_backward(run, {.x = x,
                              .w = w,
                              .dy = dy,
                              .dx = out[0],
                              .dw = out[1],
                              .db = out[2],
                              .scale = 0.5f,
                              .add_dx = add});
        return out;
      });
    }
}

// A checkpoint's bf16 or f16 matrix in an f32 run: x f32, W as it lies in the file; a device has f16
// in f32. With depths, rows and columns past what is packed at one time.
TEST_P(Tables, LinearOfAMatrixThatStays16Bits) {
  std::vector<ProductShape> shapes(std::begin(kProductShapes), std::end(kProductShapes));
  shapes.insert(shapes.end(), {{800, 300, 40}, {40, 520, 2100}, {37, 2100, 520}});
  for (const Dtype kept : {Dtype::kBF16, Dtype::kF16})
    for (const ProductShape& s : shapes)
      for (const bool add : {false, true}) {
        if (kept == Dtype::kF16 && on_device()) continue;
        SCOPED_TRACE(fmt::format("{}, {} x {} x {}", name_of(kept), s.n, s.k, s.m));
        compare([&](falconer::Run& run) {
          const TestView x(s.n, s.k, dtype(), 1), w(s.m, s.k, kept, 2), b(1, s.m);
          const TestView dy(s.n, s.m, dtype(), 3);
          std::vector<TestView> out =
              list(TestView(s.n, s.m, dtype(), 4), TestView(s.n, s.m, Dtype::kF32, 4),
                   TestView(s.n, s.k, dtype(), 5), TestView(1, s.m));
          linear_forward(run, {.x = x, .w = w, .y = out[0], .scale = 0.5f, .add = add});
          linear_forward(run, {.x = x, .w = w, .b = b, .y = out[1], .add = add});
          linear_backward(run, {.w = w, .dy = dy, .dx = out[2], .scale = 0.5f, .add_dx = add});
          row_squares(run, {.w = w, .out = out[3]});
          return out;
        });
      }
}

// All 65,536 of them, by each product and as rows of an embedding: those below the normal ones, zeros
// of both signs, infinity and NaN too.
TEST_P(Tables, EveryNumberOfF16IsWidenedExactly) {
  if (on_device() || dtype() != Dtype::kF32) GTEST_SKIP();
  constexpr int64_t kAll = 1 << 16;
  Tensor w(kAll, 1, Dtype::kF16);
  for (int64_t i = 0; i < kAll; ++i) w.view().row<F16>(i)->bits = static_cast<uint16_t>(i);
  const auto expect_all = [&](const View& y, const char* by) {
    for (int64_t i = 0; i < kAll; ++i) {
      const auto want = static_cast<float>(*w.view().row<F16>(i));
      const float found = y.row<float>(0)[i];
      if (std::isnan(want))
        ASSERT_TRUE(std::isnan(found)) << by << i;
      else
        ASSERT_EQ(found, want) << by << i;
    }
  };
  OpRun fast(kernels(), 1 << 24);
  for (const int64_t n : {1, 40}) {  // decoding's product, and that which packs
    Tensor x(n, 1, Dtype::kF32), y(n, kAll, Dtype::kF32);
    for (int64_t i = 0; i < n; ++i) *x.view().row<float>(i) = 1;
    linear_forward(fast.run, {.x = x.view(), .w = w.view(), .y = y.view()});
    expect_all(y.view(), "forward");
  }
  // Of the way back: w as it lies, in rows of a matrix.
  const View flat{w.view().data, 1, kAll, kAll, Dtype::kF16};
  Tensor dy(40, 1, Dtype::kF32), dx(40, kAll, Dtype::kF32);
  for (int64_t i = 0; i < 40; ++i) *dy.view().row<float>(i) = 1;
  linear_backward(fast.run, {.w = flat, .dy = dy.view(), .dx = dx.view()});
  expect_all(dx.view(), "backward");
  std::vector<int32_t> ids(kAll);
  for (int64_t i = 0; i < kAll; ++i) ids[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  Tensor rows(kAll, 1, Dtype::kF32);
  embedding_forward(
      fast.run, {.ids = {ids.data(), 1, kAll, kAll, Dtype::kI32}, .w = w.view(), .y = rows.view()});
  expect_all({rows.view().data, 1, kAll, kAll, Dtype::kF32}, "embedding");
}

TEST_P(Tables, Norm) {
  for (const bool bias : {true, false})
    for (const int64_t c : {1, 5, 64, 131})
      compare(
          [&](falconer::Run& run) {
            const TestView x(3, c, dtype(), 1), w(1, c), b(1, c, Dtype::kF32, 2),
                dy(3, c, dtype(), 3);
            std::vector<TestView> out =
                list(TestView(3, c, dtype(), 4), TestView(3, 2), TestView(3, c, dtype(), 5),
                     TestView(1, c), TestView(1, c));
            norm_forward(
                run, {.x = x, .w = w, .b = bias ? b.view() : View{}, .y = out[0], .stats = out[1]});
            norm_backward(run, {.x = x,
                                .w = w,
                                .stats = out[1],
                                .dy = dy,
                                .dx_add = out[2],
                                .dw = out[3],
                                .db = out[4]});
            if (c == 1)
              out.erase(out.begin() + 1,
                        out.end());  // one column has no variance: its gradient is rounding alone
            return out;
          },
          512);
}

TEST_P(Tables, Gelu) {
  for (const int64_t c : {1, 7, 100})
    compare([&](falconer::Run& run) {
      const TestView x(map(random_block(4, c, 1), [](double v) { return 3 * v; }), dtype());
      std::vector<TestView> out = list(TestView(4, c, dtype(), 2), TestView(4, c, dtype(), 3));
      gelu_forward(run, {.x = x, .y = out[0]});
      gelu_backward(run, {.x = x, .d = out[1]});
      return out;
    });
}

TEST_P(Tables, ElementByElement) {
  for (const int64_t c : {1, 7, 100})
    compare([&](falconer::Run& run) {
      const TestView x(4, c, dtype(), 1), a(4, c, dtype(), 2), b(4, c, dtype(), 3);
      const TestView scale(1, c), bias(1, c, Dtype::kF32, 4), about(1, c, Dtype::kF32, 5);
      const Dtype other = dtype() == Dtype::kF32 ? Dtype::kBF16 : Dtype::kF32;
      std::vector<TestView> out = list(TestView(4, c, dtype(), 6), TestView(4, c, dtype(), 7),
                                       TestView(4, c, dtype(), 8), TestView(4, c, dtype(), 9),
                                       TestView(1, c), TestView(1, c), TestView(4, c, other, 10));
      residual(run, {.x = x, .a = a, .b = b, .y = out[0]});
      affine_forward(run, {.y = out[1], .scale = scale, .bias = bias, .about = about, .a = out[2]});
      affine_backward(
          run, {.a = out[2], .scale = scale, .d = out[3], .dscale = out[4], .dbias = out[5]});
      copy(run, x, out[6]);
      return out;
    });
}

TEST_P(Tables, EmbeddingAndRope) {
  const HeadsShape s{5, 2, 3, 20};
  std::vector<int32_t> ids = {3, 0, 3, 6, 1}, positions = {0, 1, 2, 0, 1};
  for (const bool inverse : {false, true})
    for (const bool pairs : {false, true})
      compare([&](falconer::Run& run) {
        const TestView w(7, s.fused(), dtype(), 1);
        std::vector<TestView> out = list(TestView(5, s.fused(), dtype(), 2));
        embedding_forward(run, {.ids = ints(ids), .w = w, .y = out[0]});
        Tensor table(4, 12, Dtype::kF32, test_device);
        rope_table(run, table.view(), 10000);
        rope(run, {.x = s.q(out[0]),
                   .positions = ints(positions),
                   .table = table.view(),
                   .inverse = inverse,
                   .interleaved = pairs});
        return out;
      });
}

struct AttentionCase {
  HeadsShape shape;
  std::vector<AttentionSpan> spans;
  bool alibi = false;
  int64_t window = 0;
  float cap = 0;
};
const AttentionCase kAttention[] = {
    {{1, 1, 1, 8}, {{0, 1, 0, 1}}},
    {{150, 1, 3, 20}, {{0, 150, 0, 150}}},
    {{40, 3, 1, 16}, {{0, 17, 0, 17}, {17, 23, 17, 23}}},
    {{9, 2, 71, 8}, {{0, 9, 0, 9}}, true},
    {{150, 1, 3, 20}, {{0, 150, 0, 150}}, false, 40},
    {{150, 1, 3, 20}, {{0, 150, 0, 150}}, false, 1},
    {{90, 1, 2, 20}, {{0, 90, 0, 90}}, false, 0, 1.5f},
    {{40, 3, 1, 16}, {{0, 17, 0, 17}, {17, 23, 17, 23}}, false, 5, 2},
    {{300, 2, 2, 8}, {{0, 130, 0, 300}}, true, 64, 3},
};

TEST_P(Tables, Attention) {
  for (const AttentionCase& c : kAttention)
    compare(
        [&](falconer::Run& run) {
          const HeadsShape& s = c.shape;
          const TestView qkv(s.rows, s.fused(), dtype(), 1), dout(s.rows, s.width(), dtype(), 2);
          // Given, not the forward's: tables may round a bf16 output differently.
          const TestView given(s.rows, s.width(), dtype(), 6);
          const TestView alibi(map(random_block(1, s.heads(), 3), [](double v) { return v * v; }));
          const View slopes = c.alibi ? alibi.view() : View{};
          std::vector<TestView> out =
              list(TestView(s.rows, s.width(), dtype(), 4), TestView(s.rows, s.heads()),
                   TestView(s.rows, s.heads()), TestView(s.rows, s.fused(), dtype(), 5));
          attention_forward(run, {.q = s.q(qkv.view()),
                                  .k = s.k(qkv.view()),
                                  .v = s.v(qkv.view()),
                                  .alibi = slopes,
                                  .out = out[0],
                                  .lse = out[1],
                                  .spans = c.spans,
                                  .scale = 0.3f,
                                  .window = c.window,
                                  .cap = c.cap});
          attention_delta(run, {.out = given, .dout = dout, .delta = out[2], .heads = s.heads()});
          attention_backward(run, {.q = s.q(qkv.view()),
                                   .k = s.k(qkv.view()),
                                   .v = s.v(qkv.view()),
                                   .alibi = slopes,
                                   .dout = dout,
                                   .lse = out[1],
                                   .delta = out[2],
                                   .dq = s.q(out[3].view()),
                                   .dk = s.k(out[3].view()),
                                   .dv = s.v(out[3].view()),
                                   .spans = c.spans,
                                   .scale = 0.3f,
                                   .add_dq = c.alibi,
                                   .window = c.window,
                                   .cap = c.cap});
          return out;
        },
        1024);
}

// Sequences that grow by one token beside one that begins, in a cache with room between them.
TEST_P(Tables, AttentionWithCache) {
  const int64_t kRoom = 150;
  for (const HeadsShape& s : {HeadsShape{6, 1, 71, 8}, HeadsShape{6, 3, 2, 20},
                              HeadsShape{6, 2, 1, 64}, HeadsShape{6, 1, 7, 131}})
    for (const bool bias : {false, true})
      for (const bool limited : {false, true})  // to a window, and capped
        compare(
            [&](falconer::Run& run) {
              const std::vector<AttentionSpan> spans = {
                  {0, 1, 0, 1}, {1, 1, kRoom, 33}, {2, 3, 2 * kRoom, 9}, {5, 1, 3 * kRoom, 150}};
              const TestView qkv(s.rows, s.fused(), dtype(), 1);
              const TestView k(4 * kRoom, s.groups * s.size, dtype(), 2),
                  v(4 * kRoom, s.groups * s.size, dtype(), 3);
              const TestView alibi(
                  map(random_block(1, s.heads(), 3), [](double x) { return x * x; }));
              std::vector<TestView> out =
                  list(TestView(s.rows, s.width(), dtype(), 4), TestView(s.rows, s.heads()));
              attention_forward(run, {.q = s.q(qkv.view()),
                                      .k = {k, s.groups, 1, s.size, s.size},
                                      .v = {v, s.groups, 1, s.size, s.size},
                                      .alibi = bias ? alibi.view() : View{},
                                      .out = out[0],
                                      .lse = out[1],
                                      .spans = spans,
                                      .scale = 0.3f,
                                      .window = limited ? 7 : 0,
                                      .cap = limited ? 2.0f : 0});
              return out;
            },
            1024);
}

// Chunks of keys that are joined, and one sequence that is decoded alone as beside others.
TEST_P(Tables, AttentionOfManyKeys) {
  const HeadsShape s{3, 1, 5, 16};
  const auto run_spans = [&](falconer::Run& run, const std::vector<AttentionSpan>& spans,
                             int64_t window) {
    const TestView qkv(s.rows, s.fused(), dtype(), 1), k(2000, 16, dtype(), 2),
        v(2000, 16, dtype(), 3);
    std::vector<TestView> out =
        list(TestView(s.rows, s.width(), dtype(), 4), TestView(s.rows, s.heads()));
    attention_forward(run, {.q = s.q(qkv.view()),
                            .k = {k, 1, 1, 16, 16},
                            .v = {v, 1, 1, 16, 16},
                            .out = out[0],
                            .lse = out[1],
                            .spans = spans,
                            .scale = 0.3f,
                            .window = window});
    return out;
  };
  const std::vector<AttentionSpan> all = {{0, 1, 0, 700}, {1, 1, 700, 31}, {2, 1, 800, 1200}};
  for (const int64_t window : {0, 300}) {
    compare([&](falconer::Run& run) { return run_spans(run, all, window); }, 1024);
    OpRun fast(kernels());
    const Block<double> together = run_spans(fast.run, all, window)[0].values();
    for (int64_t i = 0; i < 3; ++i) {
      const Block<double> alone =
          run_spans(fast.run, {all[static_cast<size_t>(i)]}, window)[0].values();
      for (int64_t c = 0; c < s.width(); ++c) ASSERT_EQ(together(i, c), alone(i, c));
    }
  }
}

// Keys in pages, of which two sequences share the first; and rows as parts of prompts, which have the bits of the whole
// on the CPU.
TEST_P(Tables, AttentionOverPages) {
  const HeadsShape s{150, 2, 3, 24};
  const std::vector<int32_t> pages = {5, 2, 7, 5, 0, 3};
  const auto run_spans = [&](falconer::Run& run, const std::vector<AttentionSpan>& spans,
                             int64_t window) {
    const TestView qkv(s.rows, s.fused(), dtype(), 1), k(8 * kPageRows, 48, dtype(), 2),
        v(8 * kPageRows, 48, dtype(), 3);
    std::vector<TestView> out =
        list(TestView(s.rows, s.width(), dtype(), 4), TestView(s.rows, s.heads()));
    attention_forward(run, {.q = s.q(qkv.view()),
                            .k = {k, 2, 1, 24, 24},
                            .v = {v, 2, 1, 24, 24},
                            .out = out[0],
                            .lse = out[1],
                            .spans = spans,
                            .pages = pages,
                            .scale = 0.3f,
                            .window = window});
    return out;
  };
  for (const int64_t window : {0, 50}) {
    const std::vector<AttentionSpan> all = {
        {0, 1, 0, 130, 0}, {1, 9, 0, 70, 3}, {10, 140, 0, 140, 3}};
    compare([&](falconer::Run& run) { return run_spans(run, all, window); }, 1024);
    if (on_device()) continue;
    OpRun fast(kernels(), 1 << 24);
    fast.run.as_many = true;
    const Block<double> whole = run_spans(fast.run, {{0, 129, 0, 129, 0}}, window)[0].values();
    for (const int64_t first : {64, 128}) {
      // The same queries, which begin at a page.
      const TestView qkv(s.rows, s.fused(), dtype(), 1);
      const Block<double> part =
          run_spans(fast.run, {{first, 129 - first, 0, 129, 0}}, window)[0].values();
      for (int64_t i = first; i < 129; ++i)
        for (int64_t c = 0; c < s.width(); ++c) ASSERT_EQ(part(i, c), whole(i, c)) << i;
    }
  }
}

// What a row of a product gives as one of many does not depend on how many there are.
TEST_P(Tables, LinearForwardAsMany) {
  if (on_device()) return;
  for (const auto& [cols, depth] :
       {std::pair<int64_t, int64_t>{130, 70}, {8, 300}, {300, 8}, {600, 256}})
    for (const Dtype weights : {dtype(), Dtype::kBF16}) {
      const TestView w(cols, depth, weights, 2), b(1, cols, Dtype::kF32, 3);
      const Block<double> x = random_block(150, depth, 1);
      const auto rows_from = [&](int64_t first, int64_t count) {
        OpRun fast(kernels(), 1 << 24);
        fast.run.as_many = true;
        Block<double> some(count, depth);
        for (int64_t i = 0; i < count; ++i)
          for (int64_t j = 0; j < depth; ++j) some(i, j) = x(first + i, j);
        const TestView in(some, dtype()), y(count, cols, dtype(), 4);
        linear_forward(fast.run, {.x = in, .w = w, .b = b, .y = y});
        linear_forward(fast.run, {.x = in, .w = w, .y = y, .scale = 0.5f, .add = true});
        return y.values();
      };
      const Block<double> whole = rows_from(0, 150);
      for (const int64_t count : {1, 2, 7, 15, 16, 17, 31, 33, 64, 127, 128, 129})
        for (const int64_t first : {0, 13}) {
          const Block<double> part = rows_from(first, count);
          for (int64_t i = 0; i < count; ++i)
            for (int64_t c = 0; c < cols; ++c)
              ASSERT_EQ(part(i, c), whole(first + i, c)) << count << " rows from " << first;
        }
    }
}

// A prompt that goes on in pieces.
TEST_P(Tables, AttentionOfAWindowDoesNotHangOnHiddenKeys) {
  const HeadsShape s{40, 1, 2, 16};
  const int64_t kKeys = 700, kWindow = 90;
  const TestView qkv(s.rows, s.fused(), dtype(), 1);
  const auto of = [&](double hidden) {
    Block<double> keys = random_block(kKeys, 16, 2);
    for (int64_t j = 0; j < kKeys - s.rows + 1 - kWindow; ++j)
      for (int64_t c = 0; c < 16; ++c) keys(j, c) = hidden;
    const TestView k(keys, dtype()), out(s.rows, s.width(), dtype(), 4), lse(s.rows, s.heads());
    const std::vector<AttentionSpan> spans = {{0, s.rows, 0, kKeys}};
    OpRun fast(kernels());
    attention_forward(fast.run, {.q = s.q(qkv.view()),
                                 .k = {k, 1, 1, 16, 16},
                                 .v = {k, 1, 1, 16, 16},
                                 .out = out,
                                 .lse = lse,
                                 .spans = spans,
                                 .scale = 0.3f,
                                 .window = kWindow});
    return out.values();
  };
  EXPECT_TRUE(same_values(of(1), of(2)));
}

TEST_P(Tables, NormalFill) {
  compare([&](falconer::Run& run) {
    std::vector<TestView> out = list(TestView(3, 7, dtype()), TestView(1, 1, dtype()));
    for (const TestView& x : out)
      fill_normal(run, {.x = x, .stream = RandomStream(9, RandomPurpose::kTest), .std = 0.5});
    return out;
  });
}

TEST_P(Tables, GatherAndCacheStore) {
  std::vector<int32_t> index = {4, 0, 2}, ids = {3, 0, 3, 3, 1};
  const HeadsShape s{3, 2, 3, 4};
  for (const int64_t c : {1, 5, 24})
    compare([&](falconer::Run& run) {
      const TestView x(5, c, dtype(), 1), dy(3, c, dtype(), 2), qkv(3, s.fused(), dtype(), 3);
      std::vector<TestView> out = list(TestView(3, c, dtype(), 4), TestView(5, c, dtype(), 5),
                                       TestView(5, 8, dtype(), 6), TestView(5, c));
      gather_forward(run, {.x = x, .index = ints(index), .y = out[0]});
      gather_backward(run, {.dy = dy, .index = ints(index), .dx = out[1]});
      cache_store(run, {.from = s.k(qkv.view()), .index = ints(index), .cache = out[2]});
      embedding_backward(run, {.ids = ints(ids), .dy = x, .dw = out[3]});
      return out;
    });
}

TEST_P(Tables, Dora) {
  compare([&](falconer::Run& run) {
    const TestView u(3, 40), gram(3, 3, Dtype::kF32, 2), b(40, 3, Dtype::kF32, 3);
    const TestView squares(map(random_block(1, 40, 4), [](double x) { return 200 + x * x; }));
    const TestView a(1, 40), divisor(1, 40, Dtype::kF32, 5), zeroed(3, 7, dtype(), 6);
    std::vector<TestView> out =
        list(TestView(1, 40), TestView(1, 40), TestView(1, 40), TestView(3, 7, dtype(), 7));
    dora_norms(
        run, {.w_squares = squares, .u = u, .gram = gram, .b = b, .norms = out[0], .scale = 0.7f});
    divide(run, {.a = a, .b = divisor, .out = out[1]});
    divide(run, {.a = a, .b = divisor, .out = out[2], .add = true});
    set_zero(run, out[3]);
    return out;
  });
}

TEST_P(Tables, PrefixAttention) {
  for (const auto& [s, cap] : {std::pair{HeadsShape{13, 1, 5, 12}, 0.0f},
                               {HeadsShape{3, 2, 2, 16}, 0.0f},
                               {HeadsShape{13, 2, 2, 12}, 0.8f}})
    compare(
        [&, s = s, cap = cap](falconer::Run& run) {
          const TestView qkv(s.rows, s.fused(), dtype(), 1), dout(s.rows, s.width(), dtype(), 2);
          const TestView prompt(4, s.fused(), dtype(), 3), gate(1, s.heads());
          std::vector<TestView> out =
              list(TestView(s.rows, s.width(), dtype(), 4), TestView(s.rows, s.heads()),
                   TestView(s.rows, s.fused(), dtype(), 5), TestView(4, s.fused(), dtype(), 6),
                   TestView(1, s.heads(), Dtype::kF32, 7));
          prefix_attention_forward(run, {.q = s.q(qkv.view()),
                                         .k = s.k(prompt.view()),
                                         .v = s.v(prompt.view()),
                                         .gate = gate,
                                         .out = out[0],
                                         .scale = 0.3f,
                                         .cap = cap});
          prefix_attention_backward(run, {.q = s.q(qkv.view()),
                                          .k = s.k(prompt.view()),
                                          .v = s.v(prompt.view()),
                                          .gate = gate,
                                          .dout = dout,
                                          .delta = out[1],
                                          .dq = s.q(out[2].view()),
                                          .dk = s.k(out[3].view()),
                                          .dv = s.v(out[3].view()),
                                          .dgate = out[4],
                                          .scale = 0.3f,
                                          .cap = cap});
          return out;
        },
        1024);
}

TEST_P(Tables, CrossEntropy) {
  std::vector<int32_t> targets = {0, 4, 2};
  for (const int64_t v : {5, 64, 1001})
    compare(
        [&](falconer::Run& run) {
          const TestView logits(map(random_block(3, v, 1), [](double x) { return 4 * x; }));
          std::vector<TestView> out = list(TestView(3, 1), TestView(3, v, dtype(), 2));
          cross_entropy(run, {.logits = logits,
                              .targets = ints(targets),
                              .losses = out[0],
                              .dlogits = out[1],
                              .scale = 0.25f});
          return out;
        },
        256);
}

TEST_P(Tables, CrossEntropyOfWhatIsNotFinite) {
  OpRun fast(kernels());
  for (const float bad : {NAN, INFINITY}) {
    Block<double> values = map(random_block(1, 70, 1), [](double) { return 1.0; });
    values(0, 33) = bad;
    const TestView logits(values), loss(1, 1);
    std::vector<int32_t> target = {5};
    cross_entropy(fast.run, {.logits = logits, .targets = ints(target), .losses = loss});
    EXPECT_FALSE(std::isfinite(loss.values()(0, 0)));
  }
}

TEST_P(Tables, AdamW) {
  if (dtype() != Dtype::kF32) GTEST_SKIP() << "small_moments_test.cc has bf16 weights";
  compare([&](falconer::Run& run) {
    const Block<double> start = random_block(4, 77, 1);
    const auto row = [&](int64_t i) {
      Block<double> one(1, 77);
      for (int64_t j = 0; j < 77; ++j) one(0, j) = i == 3 ? start(i, j) * start(i, j) : start(i, j);
      return one;
    };
    const TestView g(row(1));
    std::vector<TestView> out = list(TestView(row(0)), TestView(row(2)), TestView(row(3)));
    adamw(run, {.w = out[0],
                .g = g,
                .m = out[1],
                .v = out[2],
                .lr = 0.01,
                .weight_decay = 0.1,
                .grad_scale = 0.5,
                .step = 3});
    return out;
  });
}

INSTANTIATE_TEST_SUITE_P(All, Tables, kEveryCase, name_of_case);

}  // namespace
}  // namespace falconer::test
