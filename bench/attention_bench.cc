// Attention of Falcon-7B (71 query heads that share one key and value head of 64): training next to
// oneDNN's best f32 product, decode next to reading the cache.
#include <algorithm>
#include <string>

#include "bench/paired.h"
#include "bench/peak.h"

namespace falconer::bench {
namespace {

constexpr int64_t kHeads = 71, kSize = 64, kFused = (kHeads + 2) * kSize;

/// Queries, keys and values as the fused product writes them.
Heads queries(const View& qkv) { return {qkv, 1, kHeads, 0, kSize}; }
Heads keys(const View& qkv) { return {qkv.col_range(kHeads * kSize, 2 * kSize), 1, 1, 0, kSize}; }
Heads values(const View& qkv) {
  return {qkv.col_range((kHeads + 1) * kSize, kSize), 1, 1, 0, kSize};
}

/// A product with about the operations of the op, whose time is scaled to them exactly.
struct Peak {
  BestProduct best{512, 4544, 4544, Dtype::kF32};
  static constexpr double kOperations = 2.0 * 512 * 4544 * 4544;
};

/// Pairs of a query and a key that it sees.
double seen_pairs(int64_t tokens, int64_t window) {
  const int64_t full = window == 0 ? tokens : std::min(window, tokens);
  return 0.5 * static_cast<double>(full * (full + 1)) + static_cast<double>((tokens - full) * full);
}

template <int64_t kWindow>
void forward(benchmark::State& state, Dtype dtype, int64_t tokens) {
  const Tensor qkv = filled(tokens, kFused, dtype), out = filled(tokens, kHeads * kSize, dtype);
  const Tensor lse(tokens, kHeads, Dtype::kF32);
  const AttentionSpan span{0, tokens, 0, tokens};
  const AttentionForward call{.q = queries(qkv.view()),
                              .k = keys(qkv.view()),
                              .v = values(qkv.view()),
                              .out = out.view(),
                              .lse = lse.view(),
                              .spans = {&span, 1},
                              .scale = 0.125f,
                              .window = kWindow};
  const double pairs = seen_pairs(tokens, kWindow) * kHeads;
  const double operations = pairs * kSize * 4;
  const Peak peak;
  run_paired(
      state, operations, [&] { cpu_kernels().attention_forward(call); }, [&] { peak.best.run(); });
  state.counters["share"] = state.counters["share"] * (operations / Peak::kOperations);
}

template <int64_t kWindow>
void backward(benchmark::State& state, Dtype dtype, int64_t tokens) {
  const Tensor qkv = filled(tokens, kFused, dtype), dqkv = filled(tokens, kFused, dtype);
  const Tensor dout = filled(tokens, kHeads * kSize, dtype);
  const Tensor lse = filled(tokens, kHeads, Dtype::kF32),
               delta = filled(tokens, kHeads, Dtype::kF32);
  const AttentionSpan span{0, tokens, 0, tokens};
  const AttentionBackward call{.q = queries(qkv.view()),
                               .k = keys(qkv.view()),
                               .v = values(qkv.view()),
                               .dout = dout.view(),
                               .lse = lse.view(),
                               .delta = delta.view(),
                               .dq = queries(dqkv.view()),
                               .dk = keys(dqkv.view()),
                               .dv = values(dqkv.view()),
                               .spans = {&span, 1},
                               .scale = 0.125f,
                               .window = kWindow};
  const double pairs = seen_pairs(tokens, kWindow) * kHeads;
  const double operations = pairs * kSize * 10;
  const Peak peak;
  run_paired(
      state, operations, [&] { cpu_kernels().attention_backward(call); }, [&] { peak.best.run(); });
  state.counters["share"] = state.counters["share"] * (operations / Peak::kOperations);
}

/// One token after `seen` others. One head's cache is small, so it comes from the caches, as it
/// does between the layers of a short conversation.
void decode(benchmark::State& state, Dtype dtype, int64_t seen) {
  const Tensor qkv = filled(1, kFused, dtype), out = filled(1, kHeads * kSize, dtype);
  const Tensor k = filled(seen, kSize, dtype), v = filled(seen, kSize, dtype);
  const AttentionSpan span{0, 1, 0, seen};
  const AttentionForward call{.q = queries(qkv.view()),
                              .k = {k.view(), 1, 1, kSize, kSize},
                              .v = {v.view(), 1, 1, kSize, kSize},
                              .out = out.view(),
                              .spans = {&span, 1},
                              .scale = 0.125f};
  const double operations = 4.0 * kHeads * kSize * static_cast<double>(seen);
  const Peak peak;
  run_paired(
      state, operations, [&] { cpu_kernels().attention_forward(call); }, [&] { peak.best.run(); });
  state.counters["share"] = state.counters["share"] * (operations / Peak::kOperations);
}

const int registered = [] {
  using Run = void (*)(benchmark::State&, Dtype, int64_t);
  const auto add = [](const char* name, Run run, Dtype dtype, int64_t tokens) {
    const std::string full = std::string(name) + "/" + std::to_string(tokens) + "/" +
                             std::string(name_of(dtype)) + "/GFLOP";
    benchmark::RegisterBenchmark(full.c_str(), run, dtype, tokens)->UseManualTime()->Iterations(1);
  };
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF32}) {
    for (const int64_t tokens : {128, 512, 2048}) {
      add("attention", forward<0>, dtype, tokens);
      add("attention_back", backward<0>, dtype, tokens);
    }
    add("attention_window_256", forward<256>, dtype, 2048);
    add("attention_window_256_back", backward<256>, dtype, 2048);
    for (const int64_t seen : {64, 512, 2048}) add("attention_decode", decode, dtype, seen);
  }
  return 0;
}();

}  // namespace
}  // namespace falconer::bench
