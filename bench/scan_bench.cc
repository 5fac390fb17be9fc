// The state-space scan and the convolution of Falcon-H1's mixers: training next to oneDNN's best f32 product, decode
// next to reading and writing the states.
#include <functional>
#include <string>
#include <vector>

#include "bench/paired.h"
#include "bench/peak.h"

namespace falconer::bench {
namespace {

/// H, P and S of a checkpoint; one group.
struct Mamba {
  const char* name;
  int64_t heads, size, width;
};
constexpr Mamba kHalf{"0.5B", 24, 64, 128}, kSmall{"1.5B", 48, 64, 256}, kSeven{"7B", 32, 128, 256};

/// Products of a chunk: those with states take P S of each row, those within the chunk half of a square.
double scan_operations(const Mamba& m, int64_t tokens, int through_states, int within) {
  const double of_states = static_cast<double>(through_states * m.size * m.width);
  const double of_pairs = static_cast<double>(within * m.size * kScanChunk) / 2;
  return 2.0 * static_cast<double>(tokens * m.heads) * (of_states + of_pairs);
}

struct Peak {
  BestProduct best{512, 4544, 4544, Dtype::kF32};
  static constexpr double kOperations = 2.0 * 512 * 4544 * 4544;
};

struct ScanTensors {
  ScanTensors(const Mamba& m, Dtype dtype, int64_t tokens, int64_t chunks)
      : x(filled(tokens, m.heads * m.size, dtype)),
        dt(filled(tokens, m.heads, dtype)),
        b(filled(tokens, m.width, dtype)),
        c(filled(tokens, m.width, dtype)),
        y(filled(tokens, m.heads * m.size, dtype)),
        dy(filled(tokens, m.heads * m.size, dtype)),
        dx(filled(tokens, m.heads * m.size, dtype)),
        ddt(filled(tokens, m.heads, dtype)),
        db(filled(tokens, m.width, dtype)),
        dc(filled(tokens, m.width, dtype)),
        heads(filled(6, m.heads, Dtype::kF32)),
        entries(chunks, m.heads * m.size * m.width, Dtype::kF32) {}
  View head(int64_t i) const { return heads.view().row_range(i, 1); }
  ScanForward forward(std::span<const StateSpan> spans) const {
    return {.x = x.view(),
            .dt = dt.view(),
            .b = b.view(),
            .c = c.view(),
            .y = y.view(),
            .a_log = head(0),
            .d = head(1),
            .dt_bias = head(2),
            .spans = spans};
  }
  Tensor x, dt, b, c, y, dy, dx, ddt, db, dc, heads, entries;
};

void run_scan(benchmark::State& state, double operations, const std::function<void()>& call) {
  const Peak peak;
  run_paired(state, operations, call, [&] { peak.best.run(); });
  state.counters["share"] = state.counters["share"] * (operations / Peak::kOperations);
}

void forward(benchmark::State& state, const Mamba& m, Dtype dtype, int64_t tokens) {
  const StateSpan span{.begin = 0, .count = tokens};
  const ScanTensors t(m, dtype, tokens, scan_chunks({&span, 1}));
  ScanForward call = t.forward({&span, 1});
  call.entries = t.entries.view();
  run_scan(state, scan_operations(m, tokens, 2, 1), [&] { cpu_kernels().scan_forward(call); });
}

void backward(benchmark::State& state, const Mamba& m, Dtype dtype, int64_t tokens) {
  const StateSpan span{.begin = 0, .count = tokens};
  const ScanTensors t(m, dtype, tokens, scan_chunks({&span, 1}));
  const ScanBackward call{.x = t.x.view(),
                          .dt = t.dt.view(),
                          .b = t.b.view(),
                          .c = t.c.view(),
                          .a_log = t.head(0),
                          .d = t.head(1),
                          .dt_bias = t.head(2),
                          .entries = t.entries.view(),
                          .dy = t.dy.view(),
                          .dx = t.dx.view(),
                          .ddt = t.ddt.view(),
                          .db = t.db.view(),
                          .dc = t.dc.view(),
                          .da_log = t.head(3),
                          .dd = t.head(4),
                          .ddt_bias = t.head(5),
                          .spans = {&span, 1}};
  run_scan(state, scan_operations(m, tokens, 4, 2), [&] { cpu_kernels().scan_backward(call); });
}

/// One row of each of `tokens` sequences.
void decode(benchmark::State& state, const Mamba& m, Dtype dtype, int64_t tokens) {
  const ScanTensors t(m, dtype, tokens, 0);
  const Tensor states = filled(tokens, m.heads * m.size * m.width, Dtype::kF32);
  std::vector<StateSpan> spans;
  for (int64_t i = 0; i < tokens; ++i)
    spans.push_back({.begin = i, .count = 1, .slot = i, .first = false});
  ScanForward call = t.forward(spans);
  call.states = states.view();
  const double bytes = 2.0 * static_cast<double>(states.view().bytes());
  const Reading reading(bytes);
  run_paired(
      state, bytes, [&] { cpu_kernels().scan_forward(call); }, [&] { reading.run(); });
}

/// x, B and C of Falcon-H1, four taps, both directions: 2 + 3 matrices.
void convolution(benchmark::State& state, const Mamba& m, Dtype dtype, int64_t tokens) {
  const int64_t channels = m.heads * m.size + 2 * m.width;
  const Tensor x = filled(tokens, channels, dtype), y = filled(tokens, channels, dtype),
               dy = filled(tokens, channels, dtype), dx = filled(tokens, channels, dtype),
               w = filled(channels, 4, Dtype::kF32), dw = filled(channels, 4, Dtype::kF32),
               b = filled(1, channels, Dtype::kF32), db = filled(1, channels, Dtype::kF32);
  const StateSpan span{.begin = 0, .count = tokens};
  const double bytes = 5.0 * static_cast<double>(x.view().bytes());
  const Reading reading(bytes);
  run_paired(
      state, bytes,
      [&] {
        cpu_kernels().conv1d_forward(
            {.x = x.view(), .w = w.view(), .b = b.view(), .y = y.view(), .spans = {&span, 1}});
        cpu_kernels().conv1d_backward({.x = x.view(),
                                       .w = w.view(),
                                       .b = b.view(),
                                       .dy = dy.view(),
                                       .dx = dx.view(),
                                       .dw = dw.view(),
                                       .db = db.view(),
                                       .spans = {&span, 1}});
      },
      [&] { reading.run(); });
}

const int registered = [] {
  using Run = void (*)(benchmark::State&, const Mamba&, Dtype, int64_t);
  const auto add = [](const char* name, Run run, const Mamba& m, Dtype dtype, int64_t tokens,
                      const char* unit) {
    const std::string full = std::string(name) + "/" + m.name + "/" + std::to_string(tokens) + "/" +
                             std::string(name_of(dtype)) + "/" + unit;
    benchmark::RegisterBenchmark(full.c_str(), run, m, dtype, tokens)
        ->UseManualTime()
        ->Iterations(1);
  };
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF32})
    for (const Mamba& m : {kHalf, kSmall, kSeven}) {
      for (const int64_t tokens : {256, 2048}) {
        add("scan", forward, m, dtype, tokens, "GFLOP");
        add("scan_back", backward, m, dtype, tokens, "GFLOP");
      }
      for (const int64_t tokens : {1, 16}) add("scan_decode", decode, m, dtype, tokens, "GB");
      add("conv1d", convolution, m, dtype, 256, "GB");
    }
  return 0;
}();

}  // namespace
}  // namespace falconer::bench
