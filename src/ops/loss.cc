#include "ops/loss.h"

#include "ops/kernels.h"

namespace falconer {

void cross_entropy(Run& run, const CrossEntropy& args) {
  FALCONER_CHECK(args.logits.dtype == Dtype::kF32);
  FALCONER_CHECK(args.targets.dtype == Dtype::kI32 && args.targets.size() == args.logits.rows);
  FALCONER_CHECK(args.losses.dtype == Dtype::kF32 && args.losses.size() == args.logits.rows);
  FALCONER_CHECK(!args.dlogits || same_shape(args.dlogits, args.logits));
  if (run.dry || args.logits.rows == 0) return;
  run.kernels->cross_entropy(args);
}

}  // namespace falconer
