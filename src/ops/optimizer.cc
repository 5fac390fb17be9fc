#include "ops/optimizer.h"

#include "ops/kernels.h"
#include "ops/moment_code.h"

namespace falconer {

namespace {

void check(const View& v, int64_t size, Dtype dtype) {
  FALCONER_CHECK(v.size() == size && v.dtype == dtype && v.contiguous());
}

void check_weight(const View& w, const View& g) {
  check(w, w.size(), w.dtype == Dtype::kBF16 ? Dtype::kBF16 : Dtype::kF32);
  check(g, w.size(), Dtype::kF32);
}

}  // namespace

void adamw(Run& run, const AdamW& args) {
  check_weight(args.w, args.g);
  const bool coded = args.m.dtype == Dtype::kU8;
  for (const View* v : {&args.m, &args.v})
    check(*v, args.w.size(), coded ? Dtype::kU8 : Dtype::kF32);
  for (const View* v : {&args.m_scale, &args.v_scale})
    check(*v, coded ? moment_blocks(args.w.size()) : 0, Dtype::kF32);
  if (run.dry || args.w.size() == 0) return;
  run.kernels->adamw(args);
}

void sgd(Run& run, const Sgd& args) {
  check_weight(args.w, args.g);
  if (run.dry || args.w.size() == 0) return;
  run.kernels->sgd(args);
}

double sum_of_squares(Run& run, const View& x) {
  if (run.dry || x.size() == 0) return 0;
  return run.kernels->sum_of_squares(x);
}

}  // namespace falconer
