#include "api/bounds.h"

#include "base/error.h"
#include "method/method.h"

namespace falconer {
namespace {

// Steps are named by 32 bits where random numbers are drawn.
constexpr int64_t kMost32 = 0xFFFFFFFF;
constexpr WholeRange kSteps{0, kMost32};
constexpr WholeRange kEpochs{1, kMost32};
constexpr WholeRange kRowsTogether{1, 1'000'000'000};
constexpr WholeRange kTokensTogether{0, 1'000'000'000};
constexpr WholeRange kRowCounts{0, 1'000'000'000'000};
constexpr WholeRange kLengths{2, int64_t{1} << 30};
constexpr WholeRange kNewTokens{1, int64_t{1} << 30};
constexpr WholeRange kKept{0, 1'000'000};
constexpr WholeRange kRepeats{1, 1000};
constexpr WholeRange kJobs{1, 64};
constexpr WholeRange kThreads{0, 4096};
constexpr WholeRange kTopK{0, INT32_MAX};
constexpr WholeRange kShardBytes{1, INT64_MAX};

constexpr RealRange kRates{.least = 0, .most = 1e6};
// One that is too large for a run is found out by what it does: a step that is not finite is named with
// its rows.
constexpr RealRange kLearningRates{.least = 0, .most = 1e100};
// A mean that never moves divides by zero: 1 - beta must be there in f32, and so must epsilon.
constexpr RealRange kBetas{.least = 0, .most = 1 - 0x1p-23};
constexpr RealRange kEpsilons{.least = 1e-30, .most = 1e6};
constexpr RealRange kNorms{.least = 0, .most = 1e30};
constexpr RealRange kTemperatures{.least = 0, .most = 1e6};
constexpr RealRange kShares{.least = 0, .most = 1};

}  // namespace

void check_bound(const char* flag, int64_t value, const WholeRange& range) {
  if (!range.holds(value)) fail_usage("{} is {}; expected {}", flag, value, expectation(range));
}

void check_bound(const char* flag, double value, const RealRange& range) {
  if (!range.holds(value)) fail_usage("{} is {}; expected {}", flag, value, expectation(range));
}

void check_bounds(const FinetuneOptions& o) {
  check_bound("--lr", o.lr, kLearningRates);
  check_bound("--weight-decay", o.weight_decay, kRates);
  check_bound("--beta1", o.beta1, kBetas);
  check_bound("--beta2", o.beta2, kBetas);
  check_bound("--eps", o.eps, kEpsilons);
  check_bound("--grad-clip", o.grad_clip, kNorms);
  check_bound("--warmup-steps", o.warmup_steps, kSteps);
  check_bound("--max-steps", o.max_steps, kSteps);
  check_bound("--epochs", o.epochs, kEpochs);
  check_bound("--batch-size", o.batch_size, kRowsTogether);
  check_bound("--micro-batch-size", o.micro_batch_size, kRowsTogether);
  check_bound("--micro-batch-tokens", o.micro_batch_tokens, kTokensTogether);
  check_bound("--max-seq-length", o.max_seq_length, kLengths);
  check_bound("--test-size", o.test_size, kRowCounts);
  check_bound("--lora-r", o.lora_r, kLoraRank);
  check_bound("--lora-alpha", o.lora_alpha, kLoraAlpha);
  check_bound("--lora-dropout", o.lora_dropout, kLoraDropout);
  check_bound("--adapter-length", o.adapter_length, kAdapterLength);
  check_bound("--adapter-start-layer", o.adapter_start_layer, kAdapterStart);
  check_bound("--save-interval", o.save_interval, kSteps);
  check_bound("--eval-interval", o.eval_interval, kSteps);
  check_bound("--early-stop", o.early_stop, kSteps);
  check_bound("--keep", int64_t{o.keep}, kKept);
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
  check_bound("--max-new-tokens", s.max_new_tokens, kNewTokens);
  check_bound("--temperature", s.temperature, kTemperatures);
  check_bound("--top-k", s.top_k, kTopK);
  check_bound("--top-p", s.top_p, kShares);
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
