#include "ops/scan.h"

#include "ops/kernels.h"

namespace falconer {
namespace {

/// A number for each head.
void check_heads(const View& v, int64_t heads) {
  FALCONER_CHECK(v.rows == 1 && v.cols == heads && v.dtype == Dtype::kF32);
}

/// `x`, `dt`, `b`, `c` and what they are weighed with: of a forward, of a backward and of its gradients.
void check_inputs(const View& x, const View& dt, const View& b, const View& c, int64_t groups) {
  FALCONER_CHECK(groups > 0 && dt.cols > 0 && dt.cols % groups == 0);
  FALCONER_CHECK(x.cols > 0 && x.cols % dt.cols == 0 && dt.rows == x.rows);
  FALCONER_CHECK(same_shape(b, c) && b.rows == x.rows && b.cols > 0 && b.cols % groups == 0);
  FALCONER_CHECK(dt.dtype == x.dtype && b.dtype == x.dtype && c.dtype == x.dtype);
}

void check_alike(const View& of, const View& made) {
  FALCONER_CHECK(!made || (same_shape(of, made) && of.dtype == made.dtype));
}

}  // namespace

int64_t scan_chunks(std::span<const StateSpan> spans) {
  int64_t chunks = 0;
  for (const StateSpan& s : spans) chunks += (s.count + kScanChunk - 1) / kScanChunk;
  return chunks;
}

void scan_forward(Run& run, const ScanForward& args) {
  check_inputs(args.x, args.dt, args.b, args.c, args.groups);
  check_alike(args.x, args.y);
  for (const View& v : {args.a_log, args.d, args.dt_bias}) check_heads(v, args.dt.cols);
  const int64_t state = args.x.cols * (args.b.cols / args.groups);
  FALCONER_CHECK(!args.states || (args.states.cols == state && args.states.dtype == Dtype::kF32));
  FALCONER_CHECK(!args.entries ||
                 (args.entries.rows == scan_chunks(args.spans) && args.entries.cols == state &&
                  args.entries.dtype == Dtype::kF32));
  check_spans(args.spans, args.x.rows, args.states ? args.states.rows : 0);
  for (const StateSpan& s : args.spans) {
    FALCONER_CHECK(s.copy_slot < 0 || s.copy_after % kScanChunk == 0 || s.copy_after == s.count);
    FALCONER_CHECK(args.y || (s.slot < 0 && s.copy_slot < 0));
  }
  if (run.dry || args.spans.empty()) return;
  ScanForward call = args;
  call.as_many = run.as_many;
  run.kernels->scan_forward(call);
}

void scan_backward(Run& run, const ScanBackward& args) {
  check_inputs(args.x, args.dt, args.b, args.c, args.groups);
  for (const View& v : {args.a_log, args.d, args.dt_bias}) check_heads(v, args.dt.cols);
  FALCONER_CHECK(args.entries.rows == scan_chunks(args.spans) &&
                 args.entries.dtype == Dtype::kF32 &&
                 args.entries.cols == args.x.cols * (args.b.cols / args.groups));
  FALCONER_CHECK(same_shape(args.x, args.dy) && args.x.dtype == args.dy.dtype);
  check_alike(args.x, args.dx);
  check_alike(args.dt, args.ddt);
  check_alike(args.b, args.db);
  check_alike(args.c, args.dc);
  for (const View& v : {args.da_log, args.dd, args.ddt_bias})
    if (v) check_heads(v, args.dt.cols);
  check_spans(args.spans, args.x.rows, 0);
  if (run.dry || args.spans.empty()) return;
  run.kernels->scan_backward(args);
}

}  // namespace falconer
