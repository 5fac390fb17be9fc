#include "ops/norm.h"

#include "ops/kernels.h"

namespace falconer {

void norm_forward(Run& run, const NormForward& args) {
  FALCONER_CHECK(same_shape(args.x, args.y) && args.x.dtype == args.y.dtype);
  FALCONER_CHECK(args.w.size() == args.x.cols && args.w.dtype == Dtype::kF32);
  FALCONER_CHECK(!args.b || (args.b.size() == args.x.cols && args.b.dtype == Dtype::kF32));
  FALCONER_CHECK(args.stats.rows == args.x.rows && args.stats.cols == 2);
  FALCONER_CHECK(args.stats.dtype == Dtype::kF32);
  if (run.dry || args.x.rows == 0) return;
  run.kernels->norm_forward(args);
}

void norm_backward(Run& run, const NormBackward& args) {
  FALCONER_CHECK(same_shape(args.x, args.dy) && args.x.dtype == args.dy.dtype);
  FALCONER_CHECK(args.stats.rows == args.x.rows && args.stats.cols == 2);
  FALCONER_CHECK(!args.dx_add || same_shape(args.dx_add, args.x));
  FALCONER_CHECK(!args.dx_add || (args.w.size() == args.x.cols && args.w.dtype == Dtype::kF32));
  FALCONER_CHECK(!args.dw || (args.dw.size() == args.x.cols && args.dw.dtype == Dtype::kF32));
  FALCONER_CHECK(!args.db || (args.db.size() == args.x.cols && args.db.dtype == Dtype::kF32));
  if (run.dry || args.x.rows == 0) return;
  if (args.dx_add) run.kernels->norm_backward_x(args);
  if (args.dw || args.db) run.kernels->norm_backward_w(args);
}

}  // namespace falconer
