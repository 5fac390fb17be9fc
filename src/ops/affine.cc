#include "ops/affine.h"

#include "ops/kernels.h"

namespace falconer {

void affine_forward(Run& run, const AffineForward& args) {
  FALCONER_CHECK(args.scale.size() == args.y.cols && args.scale.dtype == Dtype::kF32);
  FALCONER_CHECK(!args.bias || args.bias.size() == args.y.cols);
  FALCONER_CHECK(!args.about || args.about.size() == args.y.cols);
  FALCONER_CHECK(!args.a || same_shape(args.a, args.y));
  if (run.dry || args.y.size() == 0) return;
  run.kernels->affine_forward(args);
}

void affine_backward(Run& run, const AffineBackward& args) {
  FALCONER_CHECK(args.scale.size() == args.d.cols && args.scale.dtype == Dtype::kF32);
  FALCONER_CHECK(!args.dscale || (args.dscale.size() == args.d.cols && same_shape(args.a, args.d)));
  FALCONER_CHECK(!args.dbias || args.dbias.size() == args.d.cols);
  if (run.dry || args.d.size() == 0) return;
  run.kernels->affine_backward(args);
}

}  // namespace falconer
