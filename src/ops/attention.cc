#include "ops/attention.h"

#include "ops/kernels.h"

namespace falconer {
namespace {

void check_spans(const Heads& q, const Heads& k, std::span<const AttentionSpan> spans,
                 std::span<const int32_t> pages = {}) {
  for (const AttentionSpan& s : spans) {
    FALCONER_CHECK(s.q_begin >= 0 && s.q_count >= 0 && s.q_begin + s.q_count <= q.rows.rows);
    FALCONER_CHECK(s.kv_count >= s.q_count);
    if (s.first_page < 0) {
      FALCONER_CHECK(s.kv_begin >= 0 && s.kv_begin + s.kv_count <= k.rows.rows);
      continue;
    }
    const int64_t end = s.first_page + (s.kv_count + kPageRows - 1) / kPageRows;
    FALCONER_CHECK(end <= std::ssize(pages));
    for (int64_t i = s.first_page; i < end; ++i)
      FALCONER_CHECK(pages[static_cast<size_t>(i)] >= 0 &&
                     (pages[static_cast<size_t>(i)] + 1) * kPageRows <= k.rows.rows);
  }
}

}  // namespace

void attention_forward(Run& run, const AttentionForward& args) {
  check_grouped(args.q, args.k, args.v);
  check_spans(args.q, args.k, args.spans, args.pages);
  FALCONER_CHECK(args.out.rows == args.q.rows.rows &&
                 args.out.cols == args.q.count() * args.q.size);
  FALCONER_CHECK(args.out.dtype == args.q.rows.dtype);
  FALCONER_CHECK(!args.lse || (args.lse.rows == args.out.rows && args.lse.cols == args.q.count()));
  FALCONER_CHECK(!args.alibi || args.alibi.size() == args.q.count());
  FALCONER_CHECK(args.window >= 0 && args.cap >= 0);
  if (run.dry || args.out.rows == 0) return;
  AttentionForward call = args;
  call.as_many = run.as_many;
  run.kernels->attention_forward(call);
}

void attention_delta(Run& run, const AttentionDelta& args) {
  FALCONER_CHECK(same_shape(args.out, args.dout) && args.out.dtype == args.dout.dtype);
  FALCONER_CHECK(args.delta.rows == args.out.rows && args.delta.cols == args.heads);
  FALCONER_CHECK(args.heads > 0 && args.out.cols % args.heads == 0);
  if (run.dry || args.out.rows == 0) return;
  run.kernels->attention_delta(args);
}

void attention_backward(Run& run, const AttentionBackward& args) {
  check_grouped(args.q, args.k, args.v);
  check_gradient(args.q, args.dq);
  check_gradient(args.k, args.dk);
  check_gradient(args.v, args.dv);
  check_spans(args.q, args.k, args.spans);
  FALCONER_CHECK(args.dout.rows == args.q.rows.rows);
  FALCONER_CHECK(args.dout.cols == args.q.count() * args.q.size);
  FALCONER_CHECK(args.lse.rows == args.dout.rows && args.lse.cols == args.q.count());
  FALCONER_CHECK(args.dout.dtype == args.q.rows.dtype && same_shape(args.lse, args.delta));
  FALCONER_CHECK(!args.alibi || args.alibi.size() == args.q.count());
  FALCONER_CHECK(args.window >= 0 && args.cap >= 0);
  if (run.dry || args.dout.rows == 0) return;
  run.kernels->attention_backward(args);
}

void cache_store(Run& run, const CacheStore& args) {
  FALCONER_CHECK(args.index.dtype == Dtype::kI32 && args.index.size() == args.from.rows.rows);
  FALCONER_CHECK(args.cache.cols == args.from.count() * args.from.size);
  FALCONER_CHECK(args.cache.dtype == args.from.rows.dtype);
  if (run.dry || args.from.rows.rows == 0) return;
  run.kernels->cache_store(args);
}

}  // namespace falconer
