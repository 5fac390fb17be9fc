#include "ops/prefix_attention.h"

#include "ops/kernels.h"

namespace falconer {

namespace {

// out, or its gradient.
void check_out(const Heads& q, const View& out) {
  FALCONER_CHECK(out.rows == q.rows.rows && out.cols == q.count() * q.size);
  FALCONER_CHECK(out.dtype == q.rows.dtype);
}

}  // namespace

void prefix_attention_forward(Run& run, const PrefixAttentionForward& args) {
  check_grouped(args.q, args.k, args.v);
  check_out(args.q, args.out);
  FALCONER_CHECK(args.gate.size() == args.q.count() && args.gate.dtype == Dtype::kF32);
  if (run.dry || args.out.rows == 0) return;
  PrefixAttentionForward call = args;
  call.apart = run.as_many;
  run.kernels->prefix_attention_forward(call);
}

void prefix_attention_backward(Run& run, const PrefixAttentionBackward& args) {
  check_grouped(args.q, args.k, args.v);
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
