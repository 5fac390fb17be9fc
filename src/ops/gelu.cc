#include "ops/gelu.h"

#include "ops/kernels.h"

namespace falconer {

void gelu_forward(Run& run, const GeluForward& args) {
  FALCONER_CHECK(same_shape(args.x, args.y) && args.x.dtype == args.y.dtype);
  if (run.dry || args.x.size() == 0) return;
  run.kernels->gelu_forward(args);
}

void gelu_backward(Run& run, const GeluBackward& args) {
  FALCONER_CHECK(same_shape(args.x, args.d) && args.x.dtype == args.d.dtype);
  if (run.dry || args.x.size() == 0) return;
  run.kernels->gelu_backward(args);
}

}  // namespace falconer
