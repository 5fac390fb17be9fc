#include "ops/attention.h"

#include "ops/scalar/attention.h"
#include "support/dual.h"
#include "support/heads_case.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

struct Case {
  const char* name;
  HeadsShape shape;
  std::vector<AttentionSpan> spans;
  bool alibi = false;
  scalar::ScoreShape scores = {};
};

// Rows of queries and of keys are the same rows, as in training.
std::vector<Case> cases() {
  return {
      {"one token", {1, 1, 1, 1}, {{0, 1, 0, 1}}},
      {"several heads", {5, 3, 1, 4}, {{0, 5, 0, 5}}},
      {"multi-query", {5, 1, 3, 3}, {{0, 5, 0, 5}}},
      {"grouped, several spans", {7, 2, 3, 3}, {{0, 3, 0, 3}, {3, 0, 3, 0}, {3, 4, 3, 4}}},
      {"earlier keys", {6, 2, 2, 3}, {{0, 2, 0, 6}}},
      {"alibi", {6, 2, 2, 3}, {{0, 2, 0, 2}, {2, 4, 2, 4}}, true},
      {"window", {6, 2, 2, 3}, {{0, 2, 0, 2}, {2, 4, 2, 4}}, false, {.window = 2}},
      {"window of one", {3, 1, 2, 3}, {{0, 3, 0, 3}}, false, {.window = 1}},
      {"window over earlier keys", {6, 2, 2, 3}, {{0, 2, 0, 6}}, false, {.window = 3}},
      {"soft cap", {5, 1, 3, 4}, {{0, 5, 0, 5}}, false, {.cap = 1.5f}},
      {"all of it", {7, 2, 3, 3}, {{0, 3, 0, 3}, {3, 4, 3, 4}}, true, {.window = 2, .cap = 0.75f}},
  };
}

Mat<const float> slopes(const Case& c, std::vector<float>& memory) {
  if (!c.alibi) return {};
  for (int64_t h = 0; h < c.shape.heads(); ++h) memory.push_back(0.5f / static_cast<float>(h + 1));
  return {memory.data(), 1, c.shape.heads(), c.shape.heads()};
}

struct Outputs {
  Block<double> out, lse, delta;
};

Outputs run_forward(const Case& c, const Block<double>& qkv, Mat<const float> alibi,
                    const Block<double>& dout, double scale) {
  const HeadsShape& s = c.shape;
  Outputs o{Block<double>(s.rows, s.width()), Block<double>(s.rows, s.heads()),
            Block<double>(s.rows, s.heads())};
  scalar::attention_forward<double>(s.q(qkv.cmat()), s.k(qkv.cmat()), s.v(qkv.cmat()), alibi, o.out,
                                    o.lse, c.spans, scale, 0, s.heads(), c.scores);
  scalar::attention_delta<double>(o.out, dout, o.delta, s.heads(), 0, s.rows);
  return o;
}

Block<double> run_backward(const Case& c, const Block<double>& qkv, Mat<const float> alibi,
                           const Block<double>& dout, const Block<double>& delta, double scale,
                           Block<double> start, bool add_dq) {
  const HeadsShape& s = c.shape;
  const scalar::AttentionBackwardMats<double> m{
      s.q(qkv.cmat()),  s.k(qkv.cmat()),  s.v(qkv.cmat()), alibi, dout,   delta,   s.q(start.mat()),
      s.k(start.mat()), s.v(start.mat()), c.spans,         scale, add_dq, c.scores};
  for (const AttentionSpan& span : c.spans)
    for (int64_t g = 0; g < s.groups; ++g) scalar::attention_backward_group<double>(m, span, g);
  return start;
}

TEST(Attention, BackwardMatchesDualNumbers) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const HeadsShape& s = c.shape;
    const Block<double> values = random_block(s.rows, s.fused(), 1);
    const Block<double> dout = random_block(s.rows, s.width(), 2);
    const double scale = 0.7;
    std::vector<float> memory;
    const Mat<const float> alibi = slopes(c, memory);
    Block<Dual> qkv = lift(values);
    const auto loss = [&] {
      Block<Dual> out(s.rows, s.width()), lse(s.rows, s.heads());
      scalar::attention_forward<Dual>(s.q(qkv.cmat()), s.k(qkv.cmat()), s.v(qkv.cmat()), alibi, out,
                                      lse, c.spans, scale, 0, s.heads(), c.scores);
      return weigh(dout, out);
    };
    const Outputs o = run_forward(c, values, alibi, dout, scale);
    // Query rows that no span names keep 0; all else in the fused gradient is written.
    const Block<double> got = run_backward(c, values, alibi, dout, o.delta, scale,
                                           Block<double>(s.rows, s.fused()), false);
    expect_exact(got, dual_gradient(qkv, loss));
  }
}

TEST(Attention, GradientsOverwriteAndOnlyQueriesAddWhereAsked) {
  const Case c = cases()[3];
  const HeadsShape& s = c.shape;
  const Block<double> qkv = random_block(s.rows, s.fused(), 1);
  const Block<double> dout = random_block(s.rows, s.width(), 2);
  const Outputs o = run_forward(c, qkv, {}, dout, 0.7);
  const Block<double> start = random_block(s.rows, s.fused(), 3);
  const auto from = [&](const Block<double>& before, bool add) {
    return run_backward(c, qkv, {}, dout, o.delta, 0.7, before, add);
  };
  const Block<double> clean = from(Block<double>(s.rows, s.fused()), false);
  EXPECT_TRUE(same_values(from(start, false), clean));
  Block<double> want = clean;
  for (int64_t t = 0; t < s.rows; ++t)
    for (int64_t h = 0; h < s.heads(); ++h)
      for (int64_t d = 0; d < s.size; ++d)
        s.q(want.mat()).head(t, h)[d] += s.q(start.cmat()).head(t, h)[d];
  expect_exact(from(start, true), want);
}

// The whole T x T matrix, with what may not be seen left out.
TEST(Attention, ForwardIsTheMaskedSoftmax) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const HeadsShape& s = c.shape;
    const Block<double> qkv = random_block(s.rows, s.fused(), 1);
    std::vector<float> memory;
    const Mat<const float> alibi = slopes(c, memory);
    const Outputs o = run_forward(c, qkv, alibi, Block<double>(s.rows, s.width()), 0.7);
    Block<double> out(s.rows, s.width()), lse(s.rows, s.heads());
    for (const AttentionSpan& span : c.spans)
      for (int64_t i = 0; i < span.q_count; ++i)
        for (int64_t h = 0; h < s.heads(); ++h) {
          const int64_t t = span.q_begin + i, g = h / s.per_group;
          double total = 0;
          const int64_t position = span.kv_count - span.q_count + i;
          for (int64_t j = 0; j <= position; ++j) {
            if (c.scores.window > 0 && position - j >= c.scores.window) continue;
            const int64_t row = span.kv_begin + j;
            double score = alibi ? static_cast<double>(scalar::alibi_bias(alibi(0, h), j)) : 0;
            for (int64_t d = 0; d < s.size; ++d)
              score += s.q(qkv.cmat()).head(t, h)[d] * s.k(qkv.cmat()).head(row, g)[d];
            score *= 0.7;
            if (c.scores.cap > 0) score = c.scores.cap * std::tanh(score / c.scores.cap);
            const double weight = std::exp(score);
            total += weight;
            for (int64_t d = 0; d < s.size; ++d)
              out(t, h * s.size + d) += weight * s.v(qkv.cmat()).head(row, g)[d];
          }
          for (int64_t d = 0; d < s.size; ++d) out(t, h * s.size + d) /= total;
          lse(t, h) = std::log(total);
        }
    expect_exact(o.out, out);
    expect_exact(o.lse, lse);
  }
}

TEST(Attention, AWindowThatHidesNothingIsNone) {
  for (Case c : cases()) {
    SCOPED_TRACE(c.name);
    const Block<double> qkv = random_block(c.shape.rows, c.shape.fused(), 1);
    const Block<double> dout = random_block(c.shape.rows, c.shape.width(), 2);
    c.scores.window = 0;
    const Outputs none = run_forward(c, qkv, {}, dout, 0.7);
    c.scores.window = c.shape.rows;
    const Outputs wide = run_forward(c, qkv, {}, dout, 0.7);
    EXPECT_TRUE(same_values(none.out, wide.out));
    const auto back = [&](int64_t window) {
      c.scores.window = window;
      return run_backward(c, qkv, {}, dout, none.delta, 0.7,
                          Block<double>(c.shape.rows, c.shape.fused()), false);
    };
    EXPECT_TRUE(same_values(back(0), back(c.shape.rows)));
  }
}

TEST(Attention, LargeScoresDoNotOverflow) {
  const Case c = cases()[1];
  const Block<double> qkv =
      map(random_block(c.shape.rows, c.shape.fused(), 1), [](double x) { return 1000 * x; });
  const Outputs o = run_forward(c, qkv, {}, Block<double>(c.shape.rows, c.shape.width()), 1);
  EXPECT_TRUE(std::isfinite(max_abs(o.out)) && std::isfinite(max_abs(o.lse)));
}

// bf16 holds 8 bits: position 257 is 256, and the product is rounded once more.
TEST(Attention, AlibiIsRoundedToBf16AsTheReferenceDoes) {
  EXPECT_EQ(scalar::alibi_bias(1.0f, 257), 256.0f);
  EXPECT_EQ(scalar::alibi_bias(1.0f, 259), 260.0f);
  EXPECT_EQ(scalar::alibi_bias(0.7109375f, 3), 2.125f);  // 2.1328125 before rounding
}

struct AttentionOp {
  AttentionOp(const Case& c, Dtype dtype)
      : shape(c.shape),
        spans(c.spans),
        scores(c.scores),
        qkv(shape.rows, shape.fused(), dtype, 1),
        out(shape.rows, shape.width(), dtype, 2),
        lse(shape.rows, shape.heads(), Dtype::kF32, 3),
        delta(shape.rows, shape.heads(), Dtype::kF32, 4),
        dout(shape.rows, shape.width(), dtype, 5),
        dqkv(shape.rows, shape.fused(), dtype, 6),
        slopes(map(random_block(1, shape.heads(), 7), [](double x) { return std::abs(x); })) {
    if (c.alibi) alibi = slopes;
  }
  AttentionForward forward() const {
    return {.q = shape.q(qkv),
            .k = shape.k(qkv),
            .v = shape.v(qkv),
            .alibi = alibi,
            .out = out,
            .lse = lse,
            .spans = spans,
            .scale = kScale,
            .window = scores.window,
            .cap = scores.cap};
  }
  AttentionBackward backward() const {
    return {.q = shape.q(qkv),
            .k = shape.k(qkv),
            .v = shape.v(qkv),
            .alibi = alibi,
            .dout = dout,
            .lse = lse,
            .delta = delta,
            .dq = shape.q(dqkv),
            .dk = shape.k(dqkv),
            .dv = shape.v(dqkv),
            .spans = spans,
            .scale = kScale,
            .window = scores.window,
            .cap = scores.cap};
  }
  static constexpr float kScale = 0.75f;
  HeadsShape shape;
  std::vector<AttentionSpan> spans;
  scalar::ScoreShape scores;
  TestView qkv, out, lse, delta, dout, dqkv, slopes;
  View alibi;
};

TEST(Attention, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const Case& c : cases()) {
      if (c.shape.rows > c.spans[0].q_count && c.spans.size() == 1) continue;  // rows left out
      SCOPED_TRACE(c.name);
      const AttentionOp op(c, dtype);
      const HeadsShape& s = c.shape;
      const Block<double> qkv = op.qkv.values(), dout = op.dout.values();
      const Mat<const float> alibi = op.alibi.as<const float>();
      OpRun r;
      attention_forward(r.run, op.forward());
      attention_delta(r.run,
                      {.out = op.out, .dout = op.dout, .delta = op.delta, .heads = s.heads()});
      attention_backward(r.run, op.backward());
      const Outputs o = run_forward(c, qkv, alibi, dout, AttentionOp::kScale);
      // A score is off by about D roundings of |q| |k| scale, and a probability by twice that.
      const double score = AttentionOp::kScale * (max_abs(qkv) * max_abs(qkv) * s.size +
                                                  max_abs(op.slopes.values()) * s.rows);
      const double terms = 2 * (s.size + 4) * (1 + score) + 2 * s.rows, most = max_abs(qkv);
      expect_agrees(op.out, o.out, terms, most);
      expect_agrees(op.lse, o.lse, terms, 1);
      // From here on with the delta of the rounded out, which is what backward was given.
      const Block<double> out = op.out.values();
      Block<double> delta(s.rows, s.heads());
      scalar::attention_delta<double>(out, dout, delta, s.heads(), 0, s.rows);
      const double flow = max_abs(dout) * most * s.size;  // bounds dp and delta
      expect_agrees(op.delta, delta, s.size + 1, flow);
      const Block<double> want = run_backward(c, qkv, alibi, dout, delta, AttentionOp::kScale,
                                              Block<double>(s.rows, s.fused()), false);
      const double sums = static_cast<double>(s.rows * s.per_group);
      expect_agrees(op.dqkv, want, terms + sums, 2 * sums * std::max(1.0, flow) * most);
    }
}

TEST(Attention, CacheStoreCopiesHeadsToTheirRows) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const HeadsShape s{2, 2, 3, 4};
    std::vector<int32_t> index = {4, 1};
    const TestView qkv(s.rows, s.fused(), dtype), cache(6, s.groups * s.size, dtype, 2);
    const Block<double> before = cache.values(), from = qkv.values();
    OpRun r;
    cache_store(r.run, {.from = s.k(qkv), .index = ints(index), .cache = cache});
    const Block<double> after = cache.values();
    for (int64_t row = 0; row < 6; ++row)
      for (int64_t c = 0; c < s.groups * s.size; ++c) {
        const int64_t n = row == 4 ? 0 : row == 1 ? 1 : -1;
        EXPECT_EQ(after(row, c),
                  n < 0 ? before(row, c) : s.k(from.cmat()).head(n, c / s.size)[c % s.size]);
      }
    EXPECT_TRUE(cache.margin_intact());
    std::vector<int32_t> more = {1, 2, 3};
    EXPECT_THROW(cache_store(r.run, {.from = s.k(qkv), .index = ints(more), .cache = cache}),
                 InternalError);
    EXPECT_THROW(cache_store(r.run, {.from = s.q(qkv), .index = ints(index), .cache = cache}),
                 InternalError);
  }
}

TEST(Attention, DryRunTouchesNothing) {
  const AttentionOp op(cases()[3], Dtype::kF32), before(cases()[3], Dtype::kF32);
  DryRun dry;
  attention_forward(dry.run, op.forward());
  attention_delta(dry.run,
                  {.out = op.out, .dout = op.dout, .delta = op.delta, .heads = op.shape.heads()});
  attention_backward(dry.run, op.backward());
  EXPECT_TRUE(same_values(op.out.values(), before.out.values()));
  EXPECT_TRUE(same_values(op.lse.values(), before.lse.values()));
  EXPECT_TRUE(same_values(op.delta.values(), before.delta.values()));
  EXPECT_TRUE(same_values(op.dqkv.values(), before.dqkv.values()));
}

TEST(Attention, ShapesAreChecked) {
  const AttentionOp op(cases()[3], Dtype::kF32);
  const TestView other(4, 6);
  OpRun r;
  for (View AttentionForward::*field :
       {&AttentionForward::out, &AttentionForward::lse, &AttentionForward::alibi}) {
    AttentionForward args = op.forward();
    args.*field = other;
    EXPECT_THROW(attention_forward(r.run, args), InternalError);
  }
  for (View AttentionBackward::*field : {&AttentionBackward::dout, &AttentionBackward::lse,
                                         &AttentionBackward::delta, &AttentionBackward::alibi}) {
    AttentionBackward args = op.backward();
    args.*field = other;
    EXPECT_THROW(attention_backward(r.run, args), InternalError);
  }
  for (Heads AttentionBackward::*field :
       {&AttentionBackward::q, &AttentionBackward::k, &AttentionBackward::v, &AttentionBackward::dq,
        &AttentionBackward::dk, &AttentionBackward::dv}) {
    for (int what = 0; what < 3; ++what) {
      AttentionBackward args = op.backward();
      if (what == 0) (args.*field).size += 1;
      if (what == 1) (args.*field).groups += 1;
      if (what == 2) (args.*field).rows = (args.*field).rows.row_range(0, 2);
      EXPECT_THROW(attention_backward(r.run, args), InternalError);
    }
  }
  for (const AttentionSpan bad :
       {AttentionSpan{0, 8, 0, 8}, {-1, 2, 0, 2}, {0, 2, 6, 2}, {0, 2, 0, 1}}) {
    AttentionForward args = op.forward();
    args.spans = {&bad, 1};
    EXPECT_THROW(attention_forward(r.run, args), InternalError);
  }
  for (const bool window : {true, false}) {
    AttentionForward forward = op.forward();
    AttentionBackward backward = op.backward();
    forward.window = backward.window = window ? -1 : 0;
    forward.cap = backward.cap = window ? 0 : -1;
    EXPECT_THROW(attention_forward(r.run, forward), InternalError);
    EXPECT_THROW(attention_backward(r.run, backward), InternalError);
  }
  EXPECT_THROW(
      attention_delta(r.run, {.out = op.out, .dout = op.dout, .delta = op.delta, .heads = 5}),
      InternalError);
}

}  // namespace
}  // namespace falconer::test
