#include "ops/embedding.h"

#include "ops/kernels.h"

namespace falconer {

void embedding_forward(Run& run, const EmbeddingForward& args) {
  FALCONER_CHECK(args.ids.dtype == Dtype::kI32 && args.ids.size() == args.y.rows);
  FALCONER_CHECK(args.w.cols == args.y.cols);
  if (run.dry || args.y.rows == 0) return;
  run.kernels->embedding_forward(args);
}

void embedding_backward(Run& run, const EmbeddingBackward& args) {
  FALCONER_CHECK(args.ids.dtype == Dtype::kI32 && args.ids.size() == args.dy.rows);
  FALCONER_CHECK(args.dw.cols == args.dy.cols && args.dw.dtype == Dtype::kF32);
  if (run.dry || args.dy.rows == 0) return;
  run.kernels->embedding_backward(args);
}

void gather_forward(Run& run, const GatherForward& args) {
  FALCONER_CHECK(args.index.dtype == Dtype::kI32 && args.index.size() == args.y.rows);
  FALCONER_CHECK(args.x.cols == args.y.cols && args.x.dtype == args.y.dtype);
  if (run.dry || args.y.rows == 0) return;
  run.kernels->gather_forward(args);
}

void gather_backward(Run& run, const GatherBackward& args) {
  FALCONER_CHECK(args.index.dtype == Dtype::kI32 && args.index.size() == args.dy.rows);
  FALCONER_CHECK(args.dx.cols == args.dy.cols && args.dx.dtype == args.dy.dtype);
  if (run.dry || args.dx.rows == 0) return;
  run.kernels->gather_backward(args);
}

}  // namespace falconer
