#include "ops/dropout.h"

#include "ops/kernels.h"

namespace falconer {

void dropout(Run& run, const Dropout& args) {
  FALCONER_CHECK(same_shape(args.x, args.y) && args.x.dtype == args.y.dtype);
  FALCONER_CHECK(args.p >= 0 && args.p < 1);
  if (run.dry || args.x.size() == 0) return;
  run.kernels->dropout(args);
}

}  // namespace falconer
