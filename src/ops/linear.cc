#include "ops/linear.h"

#include "ops/kernels.h"

namespace falconer {
namespace {

// A trainable matrix stays f32; products in a bf16 run read it as bf16. Those of files may be bf16 or
// f16, which products widen as they read, or in blocks.
View in_activation_dtype(Run& run, const View& w, Dtype activation) {
  if (w.dtype == activation || w.dtype == Dtype::kBF16 || w.dtype == Dtype::kF16 ||
      is_blocks(w.dtype))
    return w;
  FALCONER_CHECK(w.dtype == Dtype::kF32 && activation == Dtype::kBF16);
  const View narrow = run.scratch->push(w.rows, w.cols, activation);
  if (!run.dry) run.kernels->convert(w, narrow);
  return narrow;
}

View room_of(Run& run, int64_t bytes) {
  return bytes == 0 ? View{} : run.scratch->push(1, bytes, Dtype::kU8);
}

// Of products in whole numbers, or of those in f32 that turn x; empty where the device has none.
View room_of_forward(Run& run, const LinearForward& call) {
  if (call.whole) return room_of(run, run.kernels->whole_bytes(call.x.rows, call.x.cols));
  const bool f32 = call.x.dtype == Dtype::kF32 && call.w.dtype == Dtype::kF32;
  if (!f32 || call.lanes || call.as_many) return {};
  return room_of(run, run.kernels->turned_bytes(call.y.rows, call.y.cols, call.x.cols));
}

}  // namespace

void linear_forward(Run& run, const LinearForward& args) {
  FALCONER_CHECK(args.x.cols == args.w.cols && args.y.cols == args.w.rows);
  FALCONER_CHECK(args.x.rows == args.y.rows);
  FALCONER_CHECK(!args.b || (args.b.size() == args.w.rows && args.b.dtype == Dtype::kF32));
  FALCONER_CHECK(args.y.dtype == args.x.dtype || args.y.dtype == Dtype::kF32);
  const ArenaScope scope(*run.scratch);
  LinearForward call = args;
  call.w = in_activation_dtype(run, args.w, args.x.dtype);
  call.as_many = run.as_many;
  call.room = room_of_forward(run, call);
  if (run.dry || args.y.size() == 0) return;
  run.kernels->linear_forward(call);
}

void linear_backward(Run& run, const LinearBackward& args) {
  FALCONER_CHECK(args.dy.cols == args.w.rows);
  FALCONER_CHECK(!args.dx || (args.dx.rows == args.dy.rows && args.dx.cols == args.w.cols));
  FALCONER_CHECK(!args.dx || args.dx.dtype == args.dy.dtype);
  FALCONER_CHECK(!args.dw || (same_shape(args.dw, args.w) && args.dw.dtype == Dtype::kF32));
  FALCONER_CHECK(!args.dw || (args.x && args.x.rows == args.dy.rows && args.x.cols == args.w.cols));
  FALCONER_CHECK(!args.dw || args.x.dtype == args.dy.dtype);
  FALCONER_CHECK(!args.db || (args.db.size() == args.w.rows && args.db.dtype == Dtype::kF32));
  const ArenaScope scope(*run.scratch);
  LinearBackward call = args;
  if (args.dx) call.w = in_activation_dtype(run, args.w, args.dy.dtype);
  if (args.dx && args.whole)
    call.room = room_of(run, run.kernels->whole_bytes(args.dy.rows, args.dy.cols));
  if (run.dry || args.dy.rows == 0) return;
  if (args.dx) run.kernels->linear_backward_x(call);
  if (args.dw) run.kernels->linear_backward_w(call);
  if (args.db) run.kernels->linear_backward_b(call);
}

}  // namespace falconer
