#include "api/settings/bounds.h"

#include "api/settings/ranges.h"
#include "api/settings/settings.h"
#include "base/error.h"

namespace falconer {

void check_bound(const char* flag, int64_t value, const WholeRange& range) {
  if (!range.holds(value))
    fail_usage("{} is {}; expected {}", spelled_name(flag), value, expectation(range));
}

void check_bound(const char* flag, double value, const RealRange& range) {
  if (!range.holds(value))
    fail_usage("{} is {}; expected {}", spelled_name(flag), value, expectation(range));
}

void check_bounds(const FinetuneOptions& o) { check_ranges_of(o); }
void check_bounds(const PrepareOptions& o) { check_ranges_of(o); }
void check_bounds(const CheckOptions& o) { check_ranges_of(o); }
void check_bounds(const SamplingSettings& s) {
  check_ranges_of(s);
  if (s.num_return_sequences > 1 && s.temperature == 0)
    fail_usage(
        "--num-return-sequences is {} and --temperature is 0, which gives the same answer each "
        "time; "
        "give a temperature, or leave one of them out",
        s.num_return_sequences);
}
void check_bounds(const EvaluateOptions& o) { check_ranges_of(o); }
void check_bounds(const ServeOptions& o) { check_ranges_of(o); }
void check_bounds(const DownloadOptions& o) { check_ranges_of(o); }
void check_bounds(const CompareOptions& o) {
  check_ranges_of(o);
  check_threads(o.threads);
}

void check_threads(int threads) { check_bound("--threads", int64_t{threads}, kThreads); }

void check_shard_size(int64_t bytes) { check_bound("--max-shard-size", bytes, kShardSizes); }

}  // namespace falconer
