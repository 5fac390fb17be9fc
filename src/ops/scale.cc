#include "ops/scale.h"

#include "ops/kernels.h"

namespace falconer {

void scale(Run& run, const Scale& args) {
  if (run.dry || args.x.size() == 0 || args.factor == 1) return;
  run.kernels->scale(args);
}

}  // namespace falconer
