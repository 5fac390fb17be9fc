#include "ops/gated.h"

#include "ops/kernels.h"

namespace falconer {
namespace {

bool alike(const View& a, const View& b) { return same_shape(a, b) && a.dtype == b.dtype; }

}  // namespace

void gated_forward(Run& run, const GatedForward& args) {
  FALCONER_CHECK(alike(args.gate, args.up) && alike(args.gate, args.y));
  if (run.dry || args.y.size() == 0) return;
  run.kernels->gated_forward(args);
}

void gated_backward(Run& run, const GatedBackward& args) {
  FALCONER_CHECK(alike(args.gate, args.up) && alike(args.gate, args.dy));
  FALCONER_CHECK(!args.dgate || alike(args.gate, args.dgate));
  FALCONER_CHECK(!args.dup || alike(args.gate, args.dup));
  FALCONER_CHECK(!args.dgate || args.dgate.data != args.dup.data);
  if (run.dry || args.dy.size() == 0 || (!args.dgate && !args.dup)) return;
  run.kernels->gated_backward(args);
}

}  // namespace falconer
