#include "ops/dora.h"

#include "ops/kernels.h"

namespace falconer {

void row_squares(Run& run, const RowSquares& args) {
  FALCONER_CHECK(args.out.size() == args.w.rows && args.out.dtype == Dtype::kF32);
  if (run.dry || args.w.size() == 0) return;
  run.kernels->row_squares(args);
}

void dora_norms(Run& run, const DoraNorms& args) {
  const int64_t r = args.b.cols, m = args.b.rows;
  FALCONER_CHECK(args.u.rows == r && args.u.cols == m && args.gram.rows == r &&
                 args.gram.cols == r);
  FALCONER_CHECK(args.w_squares.size() == m && args.norms.size() == m);
  if (run.dry || m == 0) return;
  run.kernels->dora_norms(args);
}

void divide(Run& run, const Divide& args) {
  FALCONER_CHECK(args.a.size() == args.out.size() && args.b.size() == args.out.size());
  if (run.dry || args.out.size() == 0) return;
  run.kernels->divide(args);
}

}  // namespace falconer
