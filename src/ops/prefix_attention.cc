#include "ops/prefix_attention.h"

#include "ops/kernels.h"

namespace falconer {

namespace {

void check_heads(const Heads& q, const Heads& k, const Heads& v) {
  FALCONER_CHECK(q.groups == k.groups && q.groups == v.groups);
  FALCONER_CHECK(k.per_group == 1 && v.per_group == 1);
  FALCONER_CHECK(q.size == k.size && q.size == v.size);
  FALCONER_CHECK(k.rows.rows == v.rows.rows);
  FALCONER_CHECK(q.rows.dtype == k.rows.dtype && q.rows.dtype == v.rows.dtype);
}

// A gradient has the heads of what it is the gradient of; only its rows may lie elsewhere.
void check_gradient(const Heads& x, const Heads& dx) {
  FALCONER_CHECK(x.groups == dx.groups && x.per_group == dx.per_group && x.size == dx.size);
  FALCONER_CHECK(x.rows.rows == dx.rows.rows && x.rows.dtype == dx.rows.dtype);
}

// out, or its gradient.
void check_out(const Heads& q, const View& out) {
  FALCONER_CHECK(out.rows == q.rows.rows && out.cols == q.count() * q.size);
  FALCONER_CHECK(out.dtype == q.rows.dtype);
}

}  // namespace

void prefix_attention_forward(Run& run, const PrefixAttentionForward& args) {
  check_heads(args.q, args.k, args.v);
  check_out(args.q, args.out);
  FALCONER_CHECK(args.gate.size() == args.q.count() && args.gate.dtype == Dtype::kF32);
  if (run.dry || args.out.rows == 0) return;
  run.kernels->prefix_attention_forward(args);
}

void prefix_attention_backward(Run& run, const PrefixAttentionBackward& args) {
  check_heads(args.q, args.k, args.v);
  check_gradient(args.q, args.dq);
  check_gradient(args.k, args.dk);
  check_gradient(args.v, args.dv);
  check_out(args.q, args.dout);
  FALCONER_CHECK(args.gate.size() == args.q.count() && args.gate.dtype == Dtype::kF32);
  FALCONER_CHECK(!args.dgate || args.dgate.size() == args.q.count());
  FALCONER_CHECK(args.delta.rows == args.dout.rows && args.delta.cols == args.q.count());
  if (run.dry || args.dout.rows == 0) return;
  run.kernels->prefix_attention_backward(args);
}

}  // namespace falconer
