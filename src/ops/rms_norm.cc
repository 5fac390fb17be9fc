#include "ops/rms_norm.h"

#include "ops/kernels.h"

namespace falconer {
namespace {

void check_stats(const Heads& x, const View& stats) {
  FALCONER_CHECK(stats.rows == x.rows.rows && stats.cols == x.count());
  FALCONER_CHECK(stats.dtype == Dtype::kF32);
}

bool weighs(const View& w, const Heads& x) { return w.size() == x.size && w.dtype == Dtype::kF32; }

}  // namespace

void rms_norm_forward(Run& run, const RmsNormForward& args) {
  FALCONER_CHECK(same_heads(args.x, args.y) && weighs(args.w, args.x));
  check_stats(args.x, args.stats);
  if (run.dry || args.x.rows.rows == 0) return;
  run.kernels->rms_norm_forward(args);
}

void rms_norm_backward(Run& run, const RmsNormBackward& args) {
  check_gradient(args.x, args.dy);
  check_stats(args.x, args.stats);
  FALCONER_CHECK(!args.dx || (same_heads(args.x, args.dx) && weighs(args.w, args.x)));
  FALCONER_CHECK(!args.dw || weighs(args.dw, args.x));
  if (run.dry || args.x.rows.rows == 0) return;
  if (args.dw) run.kernels->rms_norm_backward_w(args);  // first: dx may be dy
  if (args.dx) run.kernels->rms_norm_backward_x(args);
}

}  // namespace falconer
