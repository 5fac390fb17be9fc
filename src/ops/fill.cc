#include "ops/fill.h"

#include "ops/kernels.h"

namespace falconer {

void fill_normal(Run& run, const NormalFill& args) {
  FALCONER_CHECK(args.x.dtype == Dtype::kF32 || args.x.dtype == Dtype::kBF16);
  if (run.dry || args.x.size() == 0) return;
  run.kernels->fill_normal(args);
}

}  // namespace falconer
