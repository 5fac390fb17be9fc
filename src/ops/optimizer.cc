#include "ops/optimizer.h"

#include "ops/kernels.h"

namespace falconer {

void adamw(Run& run, const AdamW& args) {
  for (const View* v : {&args.w, &args.g, &args.m, &args.v})
    FALCONER_CHECK(v->size() == args.w.size() && v->dtype == Dtype::kF32 && v->contiguous());
  if (run.dry || args.w.size() == 0) return;
  run.kernels->adamw(args);
}

void sgd(Run& run, const Sgd& args) {
  for (const View* v : {&args.w, &args.g})
    FALCONER_CHECK(v->size() == args.w.size() && v->dtype == Dtype::kF32 && v->contiguous());
  if (run.dry || args.w.size() == 0) return;
  run.kernels->sgd(args);
}

double sum_of_squares(Run& run, const View& x) {
  if (run.dry || x.size() == 0) return 0;
  return run.kernels->sum_of_squares(x);
}

}  // namespace falconer
