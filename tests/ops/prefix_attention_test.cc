#include "ops/prefix_attention.h"

#include "ops/scalar/attention.h"
#include "ops/scalar/prefix_attention.h"
#include "support/dual.h"
#include "support/heads_case.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr double kScale = 0.7;

/// Keys and values of the prompt are fused rows of the same layout, whose queries nobody reads.
struct PrefixCase {
  PrefixCase(HeadsShape s, int64_t prompt, float bound = 0)
      : shape(s),
        slots(prompt),
        cap(bound),
        qkv(random_block(s.rows, s.fused(), 1)),
        prefix(random_block(prompt, s.fused(), 2)),
        gate(random_block(1, s.heads(), 3)),
        dout(random_block(s.rows, s.width(), 4)),
        spans{{0, s.rows, 0, s.rows}} {}

  template <class S>
  Block<S> forward(const Block<S>& x, const Block<S>& p, const Block<S>& g, bool causal) const {
    Block<S> out(shape.rows, shape.width()), lse(shape.rows, shape.heads());
    if (causal)
      scalar::attention_forward<S>(shape.q(x.cmat()), shape.k(x.cmat()), shape.v(x.cmat()), {}, out,
                                   lse, spans, kScale, 0, shape.heads());
    scalar::prefix_attention_forward<S>(shape.q(x.cmat()), shape.k(p.cmat()), shape.v(p.cmat()), g,
                                        out, kScale, 0, shape.rows, cap);
    return out;
  }

  HeadsShape shape;
  int64_t slots;
  float cap;
  Block<double> qkv, prefix, gate, dout;
  std::vector<AttentionSpan> spans;
};

struct Gradients {
  Block<double> qkv, prefix, gate, delta;
};

/// The order of the model: delta of the sum, prefix (which corrects delta), then causal on top.
Gradients backward(const PrefixCase& c, bool causal, bool want_gate = true) {
  const HeadsShape& s = c.shape;
  const Block<double> out = c.forward<double>(c.qkv, c.prefix, c.gate, causal);
  Gradients g{Block<double>(s.rows, s.fused()), Block<double>(c.slots, s.fused()),
              Block<double>(1, s.heads()), Block<double>(s.rows, s.heads())};
  scalar::attention_delta<double>(out, c.dout, g.delta, s.heads(), 0, s.rows);
  const scalar::PrefixBackwardMats<double> m{s.q(c.qkv.cmat()),
                                             s.k(c.prefix.cmat()),
                                             s.v(c.prefix.cmat()),
                                             c.gate,
                                             c.dout,
                                             g.delta,
                                             s.q(g.qkv.mat()),
                                             s.k(g.prefix.mat()),
                                             s.v(g.prefix.mat()),
                                             want_gate ? g.gate.mat() : Mat<double>{},
                                             kScale,
                                             c.cap};
  for (int64_t group = 0; group < s.groups; ++group)
    scalar::prefix_attention_backward_group<double>(m, group);
  if (!causal) return g;
  const scalar::AttentionBackwardMats<double> rest{
      s.q(c.qkv.cmat()), s.k(c.qkv.cmat()), s.v(c.qkv.cmat()), {},      c.dout, g.delta,
      s.q(g.qkv.mat()),  s.k(g.qkv.mat()),  s.v(g.qkv.mat()),  c.spans, kScale, true};
  for (int64_t group = 0; group < s.groups; ++group)
    scalar::attention_backward_group<double>(rest, c.spans[0], group);
  return g;
}

std::vector<PrefixCase> prefix_cases() {
  return {{{1, 1, 1, 1}, 1}, {{4, 3, 1, 3}, 5}, {{3, 1, 3, 4}, 10},
          {{5, 2, 3, 3}, 7}, {{3, 2, 2, 2}, 0}, {{4, 2, 2, 3}, 6, 0.5f}};
}

TEST(PrefixAttention, BackwardMatchesDualNumbersAloneAndBesideCausal) {
  for (const PrefixCase& c : prefix_cases())
    for (const bool causal : {false, true}) {
      Block<Dual> qkv = lift(c.qkv), prefix = lift(c.prefix), gate = lift(c.gate);
      const auto loss = [&] { return weigh(c.dout, c.forward<Dual>(qkv, prefix, gate, causal)); };
      const Gradients g = backward(c, causal);
      expect_exact(g.qkv, dual_gradient(qkv, loss));
      expect_exact(g.prefix, dual_gradient(prefix, loss));
      expect_exact(g.gate, dual_gradient(gate, loss));
    }
}

TEST(PrefixAttention, DeltaBecomesThatOfCausalAttentionAlone) {
  for (const PrefixCase& c : prefix_cases()) {
    const HeadsShape& s = c.shape;
    const Block<double> zero(1, s.heads());
    const Block<double> causal = c.forward<double>(c.qkv, c.prefix, zero, true);
    Block<double> want(s.rows, s.heads());
    scalar::attention_delta<double>(causal, c.dout, want, s.heads(), 0, s.rows);
    expect_exact(backward(c, true).delta, want);
  }
}

TEST(PrefixAttention, ZeroGateLeavesOutAndStillHasAGradient) {
  PrefixCase c = prefix_cases()[3];
  c.gate = Block<double>(1, c.shape.heads());
  EXPECT_EQ(max_abs(c.forward<double>(c.qkv, c.prefix, c.gate, false)), 0);
  const Gradients g = backward(c, false);
  EXPECT_GT(max_abs(g.gate), 0);
  EXPECT_EQ(max_abs(g.prefix), 0);
}

struct PrefixOp {
  explicit PrefixOp(Dtype dtype)
      : qkv(s.rows, s.fused(), dtype, 1),
        prefix(kSlots, s.fused(), dtype, 2),
        gate(1, s.heads(), Dtype::kF32, 3),
        out(s.rows, s.width(), dtype, 4),
        dout(s.rows, s.width(), dtype, 5),
        delta(s.rows, s.heads(), Dtype::kF32, 6),
        dqkv(s.rows, s.fused(), dtype, 7),
        dprefix(kSlots, s.fused(), dtype, 8),
        dgate(1, s.heads(), Dtype::kF32, 9) {}
  PrefixAttentionForward forward() const {
    return {.q = s.q(qkv),
            .k = s.k(prefix),
            .v = s.v(prefix),
            .gate = gate,
            .out = out,
            .scale = 0.75f};
  }
  PrefixAttentionBackward backward() const {
    return {.q = s.q(qkv),
            .k = s.k(prefix),
            .v = s.v(prefix),
            .gate = gate,
            .dout = dout,
            .delta = delta,
            .dq = s.q(dqkv),
            .dk = s.k(dprefix),
            .dv = s.v(dprefix),
            .dgate = dgate,
            .scale = 0.75f};
  }
  static constexpr int64_t kSlots = 7;
  HeadsShape s{5, 2, 3, 3};
  TestView qkv, prefix, gate, out, dout, delta, dqkv, dprefix, dgate;
};

TEST(PrefixAttention, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const PrefixOp op(dtype);
    const HeadsShape& s = op.s;
    const Block<double> qkv = op.qkv.values(), prefix = op.prefix.values(), gate = op.gate.values(),
                        dout = op.dout.values();
    Block<double> out = op.out.values(), delta = op.delta.values(), dqkv = op.dqkv.values(),
                  dprefix = op.dprefix.values(), dgate = op.dgate.values();
    const double out0 = max_abs(out), delta0 = max_abs(delta), dgate0 = max_abs(dgate);
    scalar::prefix_attention_forward<double>(s.q(qkv.cmat()), s.k(prefix.cmat()),
                                             s.v(prefix.cmat()), gate, out, 0.75, 0, s.rows);
    const scalar::PrefixBackwardMats<double> m{
        s.q(qkv.cmat()), s.k(prefix.cmat()), s.v(prefix.cmat()), gate,  dout, delta,
        s.q(dqkv.mat()), s.k(dprefix.mat()), s.v(dprefix.mat()), dgate, 0.75};
    for (int64_t g = 0; g < s.groups; ++g) scalar::prefix_attention_backward_group<double>(m, g);
    OpRun r;
    prefix_attention_forward(r.run, op.forward());
    prefix_attention_backward(r.run, op.backward());
    const double most = std::max(max_abs(qkv), max_abs(prefix)), gates = max_abs(gate);
    const double score = 0.75 * s.size * most * most;
    const double terms = 2 * (s.size + 4) * (1 + score) + 2 * PrefixOp::kSlots;
    const double flow = max_abs(dout) * most * s.size;
    const double sums = static_cast<double>(s.rows * s.per_group + PrefixOp::kSlots);
    expect_agrees(op.out, out, terms, gates * most + out0);
    expect_agrees(op.delta, delta, terms, gates * flow + delta0);
    expect_agrees(op.dgate, dgate, terms + sums, s.rows * flow + dgate0);
    expect_agrees(op.dqkv, dqkv, terms + sums, 2 * gates * flow * most);
    expect_agrees(op.dprefix, dprefix, terms + sums, sums * gates * std::max(1.0, flow) * most);
  }
}

TEST(PrefixAttention, FrozenGateIsSkippedAndTheRestUnchanged) {
  const PrefixCase c = prefix_cases()[3];
  const Gradients all = backward(c, false), some = backward(c, false, false);
  EXPECT_EQ(max_abs(some.gate), 0);
  EXPECT_TRUE(same_values(all.qkv, some.qkv));
  EXPECT_TRUE(same_values(all.prefix, some.prefix));
  EXPECT_TRUE(same_values(all.delta, some.delta));
}

TEST(PrefixAttention, GateGradientAddsAndTheOthersOverwrite) {
  const PrefixOp op(Dtype::kF32);
  OpRun r;
  const Block<double> start = op.dgate.values();
  prefix_attention_backward(r.run, op.backward());
  const Block<double> once = op.dgate.values(), dqkv = op.dqkv.values(), dp = op.dprefix.values();
  prefix_attention_backward(r.run, op.backward());
  Block<double> want = once;
  for (int64_t h = 0; h < op.s.heads(); ++h) want(0, h) += once(0, h) - start(0, h);
  expect_agrees(op.dgate, want, 64, max_abs(once) + max_abs(start));
  EXPECT_TRUE(same_values(op.dqkv.values(), dqkv));
  EXPECT_TRUE(same_values(op.dprefix.values(), dp));
}

TEST(PrefixAttention, DryRunTouchesNothing) {
  const PrefixOp op(Dtype::kF32), before(Dtype::kF32);
  DryRun dry;
  prefix_attention_forward(dry.run, op.forward());
  prefix_attention_backward(dry.run, op.backward());
  EXPECT_TRUE(same_values(op.out.values(), before.out.values()));
  EXPECT_TRUE(same_values(op.delta.values(), before.delta.values()));
  EXPECT_TRUE(same_values(op.dqkv.values(), before.dqkv.values()));
}

TEST(PrefixAttention, ShapesAreChecked) {
  const PrefixOp op(Dtype::kF32);
  const TestView other(4, 5);
  OpRun r;
  for (View PrefixAttentionForward::*field :
       {&PrefixAttentionForward::gate, &PrefixAttentionForward::out}) {
    PrefixAttentionForward args = op.forward();
    args.*field = other;
    EXPECT_THROW(prefix_attention_forward(r.run, args), InternalError);
  }
  for (View PrefixAttentionBackward::*field :
       {&PrefixAttentionBackward::gate, &PrefixAttentionBackward::dout,
        &PrefixAttentionBackward::delta, &PrefixAttentionBackward::dgate}) {
    PrefixAttentionBackward args = op.backward();
    args.*field = other;
    EXPECT_THROW(prefix_attention_backward(r.run, args), InternalError);
  }
  for (Heads PrefixAttentionBackward::*field :
       {&PrefixAttentionBackward::q, &PrefixAttentionBackward::k, &PrefixAttentionBackward::v,
        &PrefixAttentionBackward::dq, &PrefixAttentionBackward::dk, &PrefixAttentionBackward::dv})
    for (int what = 0; what < 3; ++what) {
      PrefixAttentionBackward args = op.backward();
      if (what == 0) (args.*field).size += 1;
      if (what == 1) (args.*field).groups += 1;
      if (what == 2) (args.*field).rows = (args.*field).rows.row_range(0, 2);
      EXPECT_THROW(prefix_attention_backward(r.run, args), InternalError);
    }
}

}  // namespace
}  // namespace falconer::test
