// Every number that a user can set, held against what it may be: settings against their table
// (settings.h), those of other commands against ranges.h.
#pragma once

#include <optional>
#include <type_traits>

#include "base/number.h"
#include "falconer/checkpoint.h"
#include "falconer/compare.h"
#include "falconer/data.h"
#include "falconer/finetune.h"
#include "falconer/serve.h"
#include "falconer/use.h"

namespace falconer {

/// Error (usage): "--epochs is 0; expected a whole number from 1 to 1000000".
void check_bound(const char* flag, int64_t value, const WholeRange& range);
void check_bound(const char* flag, double value, const RealRange& range);
template <class Value, class Range>
void check_bound(const char* flag, const std::optional<Value>& value, const Range& range) {
  if (value) check_bound(flag, *value, range);
}

/// All numbers of a command's options, before anything is read. Errors (usage) name the flag.
void check_bounds(const FinetuneOptions& options);
void check_bounds(const PrepareOptions& options);
void check_bounds(const CheckOptions& options);
void check_bounds(const SamplingSettings& settings);
void check_bounds(const EvaluateOptions& options);
void check_bounds(const ServeOptions& options);
void check_bounds(const CompareOptions& options);
void check_bounds(const DownloadOptions& options);
void check_threads(int threads);
void check_shard_size(int64_t bytes);

}  // namespace falconer
