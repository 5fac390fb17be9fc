#include "ops/soft_cap.h"

#include "ops/kernels.h"

namespace falconer {

void soft_cap_forward(Run& run, const SoftCapForward& args) {
  FALCONER_CHECK(args.cap > 0);
  if (run.dry || args.x.size() == 0) return;
  run.kernels->soft_cap_forward(args);
}

void soft_cap_backward(Run& run, const SoftCapBackward& args) {
  FALCONER_CHECK(args.cap > 0 && same_shape(args.y, args.d));
  if (run.dry || args.d.size() == 0) return;
  run.kernels->soft_cap_backward(args);
}

}  // namespace falconer
