#include "ops/prefix_attention.h"

#include "ops/kernels.h"

namespace falconer {

void prefix_attention_forward(Run& run, const PrefixAttentionForward& args) {
  FALCONER_CHECK(args.q.groups == args.k.groups && args.q.groups == args.v.groups);
  FALCONER_CHECK(args.k.rows.rows == args.v.rows.rows && args.q.size == args.k.size);
  FALCONER_CHECK(args.gate.size() == args.q.count() && args.gate.dtype == Dtype::kF32);
  FALCONER_CHECK(args.out.rows == args.q.rows.rows &&
                 args.out.cols == args.q.count() * args.q.size);
  if (run.dry || args.out.rows == 0) return;
  run.kernels->prefix_attention_forward(args);
}

void prefix_attention_backward(Run& run, const PrefixAttentionBackward& args) {
  FALCONER_CHECK(args.q.groups == args.k.groups && args.q.groups == args.v.groups);
  FALCONER_CHECK(args.dq.rows.rows == args.q.rows.rows && args.dk.rows.rows == args.k.rows.rows);
  FALCONER_CHECK(args.dv.rows.rows == args.v.rows.rows);
  FALCONER_CHECK(args.delta.rows == args.dout.rows && args.delta.cols == args.q.count());
  FALCONER_CHECK(args.dout.rows == args.q.rows.rows);
  if (run.dry || args.dout.rows == 0) return;
  run.kernels->prefix_attention_backward(args);
}

}  // namespace falconer
