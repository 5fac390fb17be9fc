#include "ops/conv1d.h"

#include "ops/kernels.h"

namespace falconer {
namespace {

void check_rows(const View& x, const View& w, const View& b, const View& other) {
  FALCONER_CHECK(same_shape(x, other) && x.dtype == other.dtype);
  FALCONER_CHECK(w.rows == x.cols && w.cols > 0 && w.dtype == Dtype::kF32);
  FALCONER_CHECK(!b || (b.rows == 1 && b.cols == x.cols && b.dtype == Dtype::kF32));
}

}  // namespace

void conv1d_forward(Run& run, const Conv1dForward& args) {
  check_rows(args.x, args.w, args.b, args.y);
  if (args.tails)
    FALCONER_CHECK(args.tails.cols == (args.w.cols - 1) * args.x.cols &&
                   args.tails.dtype == args.x.dtype);
  check_spans(args.spans, args.x.rows, args.tails ? args.tails.rows : 0);
  if (run.dry || args.spans.empty()) return;
  run.kernels->conv1d_forward(args);
}

void conv1d_backward(Run& run, const Conv1dBackward& args) {
  check_rows(args.x, args.w, args.b, args.dy);
  FALCONER_CHECK(!args.dx || (same_shape(args.x, args.dx) && args.x.dtype == args.dx.dtype));
  FALCONER_CHECK(!args.dw || (same_shape(args.w, args.dw) && args.dw.dtype == Dtype::kF32));
  FALCONER_CHECK(!args.db || (args.db.rows == 1 && args.db.cols == args.x.cols &&
                              args.db.dtype == Dtype::kF32));
  check_spans(args.spans, args.x.rows, 0);
  if (run.dry || args.spans.empty()) return;
  run.kernels->conv1d_backward(args);
}

}  // namespace falconer
