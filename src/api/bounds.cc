#include "api/bounds.h"

#include "api/ranges.h"
#include "api/settings.h"
#include "base/error.h"

namespace falconer {
void check_bound(const char* flag, int64_t value, const WholeRange& range) {
  if (!range.holds(value)) fail_usage("{} is {}; expected {}", flag, value, expectation(range));
}

void check_bound(const char* flag, double value, const RealRange& range) {
  if (!range.holds(value)) fail_usage("{} is {}; expected {}", flag, value, expectation(range));
}

void check_bounds(const FinetuneOptions& o) {
  FinetuneOptions looked_at = o;
  check_ranges(rows_of(looked_at));
}

void check_bounds(const PrepareOptions& o) {
  check_bound("--test-size", o.test_size, kRowCounts);
  check_bound("--max-seq-length", o.max_seq_length, kLengths);
}

void check_bounds(const CheckOptions& o) {
  check_bound("--max-seq-length", o.max_seq_length, kLengths);
  check_bound("--test-size", o.test_size, kRowCounts);
  check_bound("--batch-size", o.batch_size, kRowsTogether);
  check_bound("--epochs", o.epochs, kEpochs);
}

void check_bounds(const SamplingSettings& s) {
  SamplingSettings looked_at = s;
  check_ranges(rows_of(looked_at));
}

void check_bounds(const EvaluateOptions& o) {
  check_bounds(o.sampling);
  check_bound("--limit", o.limit, kRowCounts);
  check_bound("--batch-size", o.batch_size, kRowsTogether);
}

void check_bounds(const CompareOptions& o) {
  check_bound("--ask", o.ask, kRowCounts);
  check_bound("--new-tokens", o.new_tokens, {0, kNewTokens.most});
  check_bound("--repeats", o.repeats, kRepeats);
  check_threads(o.threads);
}

void check_bounds(const DownloadOptions& o) { check_bound("--jobs", int64_t{o.jobs}, kJobs); }

void check_threads(int threads) { check_bound("--threads", int64_t{threads}, kThreads); }

void check_shard_size(int64_t bytes) { check_bound("--max-shard-size", bytes, kShardBytes); }

}  // namespace falconer
