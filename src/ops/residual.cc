#include "ops/residual.h"

#include "ops/kernels.h"

namespace falconer {

void residual(Run& run, const Residual& args) {
  FALCONER_CHECK(same_shape(args.x, args.y) && same_shape(args.a, args.y));
  FALCONER_CHECK(!args.b || (same_shape(args.b, args.y) && args.b.dtype == args.y.dtype));
  FALCONER_CHECK(args.x.dtype == args.y.dtype && args.a.dtype == args.y.dtype);
  if (run.dry || args.y.size() == 0) return;
  run.kernels->residual(args);
}

void set_zero(Run& run, const View& x) {
  if (run.dry || x.size() == 0) return;
  run.kernels->set_zero(x);
}

void copy(Run& run, const View& from, const View& to) {
  FALCONER_CHECK(same_shape(from, to));
  if (run.dry || to.size() == 0) return;
  run.kernels->convert(from, to);
}

}  // namespace falconer
