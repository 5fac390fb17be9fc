// Values that cannot be are refused by the flag's name before anything is read: neither the checkpoint nor
// the data of these options is there.
#include "api/settings/bounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "falconer/process.h"
#include "support/errors.h"

namespace falconer::test {
namespace {

constexpr int64_t kHuge = INT64_MAX;

/// The message of a usage error.
std::string refused(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

void expect_refused(const char* flag, const std::function<void(FinetuneOptions&)>& set) {
  FinetuneOptions options;
  options.checkpoint = options.data = options.out = "none";
  set(options);
  expect_mentions(refused([&] { finetune(options); }), {flag, "expected"});
  expect_mentions(refused([&] { plan(options); }), {flag, "expected"});
}

TEST(Bounds, CountsOfARun) {
  using O = FinetuneOptions;
  const std::pair<const char*, std::function<void(O&, int64_t)>> least_one[] = {
      {"--epochs", [](O& o, int64_t n) { o.epochs = n; }},
      {"--batch-size", [](O& o, int64_t n) { o.batch_size = n; }},
      {"--micro-batch-size", [](O& o, int64_t n) { o.micro_batch_size = n; }},
      {"--max-seq-length", [](O& o, int64_t n) { o.max_seq_length = n; }},
      {"--lora-r", [](O& o, int64_t n) { o.lora_r = n; }},
      {"--adapter-length", [](O& o, int64_t n) { o.adapter_length = n; }}};
  for (const auto& [flag, set] : least_one)
    for (const int64_t value : {int64_t{-1}, int64_t{0}, kHuge})
      expect_refused(flag, [&, set = set](O& o) { set(o, value); });
  const std::pair<const char*, std::function<void(O&, int64_t)>> least_zero[] = {
      {"--max-steps", [](O& o, int64_t n) { o.max_steps = n; }},
      {"--warmup-steps", [](O& o, int64_t n) { o.warmup_steps = n; }},
      {"--micro-batch-tokens", [](O& o, int64_t n) { o.micro_batch_tokens = n; }},
      {"--test-size", [](O& o, int64_t n) { o.test_size = n; }},
      {"--adapter-start-layer", [](O& o, int64_t n) { o.adapter_start_layer = n; }},
      {"--save-interval", [](O& o, int64_t n) { o.save_interval = n; }},
      {"--eval-interval", [](O& o, int64_t n) { o.eval_interval = n; }},
      {"--early-stop", [](O& o, int64_t n) { o.early_stop = n; }},
      {"--keep", [](O& o, int64_t n) { o.keep = n < 0 ? -1 : INT32_MAX; }}};
  for (const auto& [flag, set] : least_zero)
    for (const int64_t value : {int64_t{-1}, kHuge})
      expect_refused(flag, [&, set = set](O& o) { set(o, value); });
}

TEST(Bounds, RealsOfARun) {
  using O = FinetuneOptions;
  const std::pair<const char*, std::function<void(O&, double)>> reals[] = {
      {"--lr", [](O& o, double x) { o.lr = x; }},
      {"--weight-decay", [](O& o, double x) { o.weight_decay = x; }},
      {"--beta1", [](O& o, double x) { o.beta1 = x; }},
      {"--beta2", [](O& o, double x) { o.beta2 = x; }},
      {"--eps", [](O& o, double x) { o.eps = x; }},
      {"--grad-clip", [](O& o, double x) { o.grad_clip = x; }},
      {"--lora-alpha", [](O& o, double x) { o.lora_alpha = x; }},
      {"--lora-dropout", [](O& o, double x) { o.lora_dropout = x; }}};
  for (const auto& [flag, set] : reals)
    for (const double value : {-1e300, 1e300, std::nan(""), static_cast<double>(INFINITY)})
      expect_refused(flag, [&, set = set](O& o) { set(o, value); });
  for (const double almost : {1.0, 0.99999999999}) {  // 1 in f32
    expect_refused("--beta1", [&](O& o) { o.beta1 = almost; });
    expect_refused("--beta2", [&](O& o) { o.beta2 = almost; });
    expect_refused("--lora-dropout", [&](O& o) { o.lora_dropout = almost; });
  }
  expect_refused("--eps", [](O& o) { o.eps = 0; });
}

TEST(Bounds, OfSampling) {
  const auto with = [](auto set) {
    SamplingSettings settings;
    set(settings);
    return refused([&] { check_sampling(settings); });
  };
  for (const int64_t value : {int64_t{-1}, int64_t{0}, kHuge})
    expect_mentions(with([&](auto& s) { s.max_new_tokens = value; }), {"--max-new-tokens"});
  for (const double value : {-1.0, static_cast<double>(INFINITY), std::nan("")}) {
    expect_mentions(with([&](auto& s) { s.temperature = value; }), {"--temperature"});
    expect_mentions(with([&](auto& s) { s.top_p = value; }), {"--top-p", "0 to 1"});
  }
  expect_mentions(with([](auto& s) { s.top_p = 2; }), {"--top-p"});
  expect_mentions(with([](auto& s) { s.top_k = -1; }), {"--top-k"});
}

TEST(Bounds, OfTheOtherCommands) {
  PrepareOptions prepare_options;
  prepare_options.input = prepare_options.checkpoint = "none";
  prepare_options.max_seq_length = -1;
  expect_mentions(refused([&] { prepare(prepare_options); }), {"--max-seq-length"});
  CheckOptions check_options;
  check_options.data = check_options.checkpoint = "none";
  check_options.epochs = 0;
  expect_mentions(refused([&] { check(check_options); }), {"--epochs"});
  EvaluateOptions evaluate_options;
  evaluate_options.batch_size = 0;
  expect_mentions(refused([&] { evaluate(evaluate_options); }), {"--batch-size"});
  CompareOptions compare_options;
  compare_options.repeats = 0;
  expect_mentions(refused([&] { compare(compare_options); }), {"--repeats"});
  DownloadOptions download_options;
  download_options.jobs = -1;
  expect_mentions(refused([&] { download(download_options); }), {"--jobs"});
  expect_mentions(refused([] { set_threads(-1); }), {"--threads", "0 to 4096"});
}

}  // namespace
}  // namespace falconer::test
