// The linear layers of Falcon-7B, both directions, next to oneDNN's best for the shape; and decode,
// next to reading the weights.
#include <string>

#include "bench/paired.h"
#include "bench/peak.h"
#include "ops/cpu/product.h"

namespace falconer::bench {
namespace {

struct Site {
  const char* name;
  int64_t out, in;
};

/// Rows and weights of a run: those of a bf16 or an f32 run, and an f32 run of a bf16 checkpoint.
struct Types {
  const char* name;
  Dtype rows, weights;
};
constexpr Types kTypes[] = {{"bf16", Dtype::kBF16, Dtype::kBF16},
                            {"f32-bf16", Dtype::kF32, Dtype::kBF16},
                            {"f32", Dtype::kF32, Dtype::kF32}};

/// What oneDNN multiplies fastest on this CPU of the types that hold these numbers.
Dtype best_dtype(const Types& types) {
  const bool bf16 = types.rows == Dtype::kBF16 && cpu::has_bf16_products();
  return bf16 ? Dtype::kBF16 : Dtype::kF32;
}

constexpr Site kSites[] = {
    {"qkv", 4672, 4544}, {"dense", 4544, 4544}, {"up", 18176, 4544}, {"down", 4544, 18176}};

void forward(benchmark::State& state, const Site& site, const Types& types, int64_t rows) {
  const Tensor x = filled(rows, site.in, types.rows);
  const Tensor w = filled(site.out, site.in, types.weights, 2);
  const Tensor y = filled(rows, site.out, types.rows);
  const LinearForward call{.x = x.view(), .w = w.view(), .y = y.view()};
  const BestProduct best(rows, site.out, site.in, best_dtype(types));
  run_paired(
      state, 2e0 * rows * site.in * site.out, [&] { cpu_kernels().linear_forward(call); },
      [&] { best.run(); });
}

void backward_x(benchmark::State& state, const Site& site, const Types& types, int64_t rows) {
  const Tensor dy = filled(rows, site.out, types.rows);
  const Tensor w = filled(site.out, site.in, types.weights, 2);
  const Tensor dx = filled(rows, site.in, types.rows);
  const LinearBackward call{.w = w.view(), .dy = dy.view(), .dx = dx.view()};
  const BestProduct best(rows, site.in, site.out, best_dtype(types));
  run_paired(
      state, 2e0 * rows * site.in * site.out, [&] { cpu_kernels().linear_backward_x(call); },
      [&] { best.run(); });
}

void backward_w(benchmark::State& state, const Site& site, const Types& types, int64_t rows) {
  const Tensor dy = filled(rows, site.out, types.rows), x = filled(rows, site.in, types.rows, 2);
  const Tensor w(site.out, site.in, types.weights), dw = filled(site.out, site.in, Dtype::kF32);
  const LinearBackward call{.x = x.view(), .w = w.view(), .dy = dy.view(), .dw = dw.view()};
  const BestProduct best(site.out, site.in, rows, best_dtype(types), true);
  run_paired(
      state, 2e0 * rows * site.in * site.out, [&] { cpu_kernels().linear_backward_w(call); },
      [&] { best.run(); });
}

void decode(benchmark::State& state, const Site& site, const Types& types, int64_t rows) {
  const Tensor x = filled(rows, site.in, types.rows);
  const Tensor w = filled(site.out, site.in, types.weights, 2);
  const Tensor y = filled(rows, site.out, types.rows);
  const LinearForward call{.x = x.view(), .w = w.view(), .y = y.view()};
  const double bytes = static_cast<double>(w.view().bytes());
  const Reading reading(bytes);
  run_paired(
      state, bytes, [&] { cpu_kernels().linear_forward(call); }, [&] { reading.run(); });
}

/// LoRA's products are narrow: memory bounds them. `bytes` are those of what is as long as the
/// rows.
template <class Call>
void lora(benchmark::State& state, double bytes, Call&& call) {
  const Reading reading(bytes);
  run_paired(state, bytes, call, [&] { reading.run(); });
}

void lora_all(Dtype dtype) {
  constexpr int64_t kRows = 512, kRank = 8, kIn = 4544, kOut = 4672;
  const auto add = [&](const char* name, auto run) {
    benchmark::RegisterBenchmark(
        ("lora/" + std::string(name) + "/512/" + std::string(name_of(dtype)) + "/GB").c_str(), run)
        ->UseManualTime()
        ->Iterations(1);
  };
  const double element = static_cast<double>(size_of(dtype));
  add("down", [=](benchmark::State& state) {
    const Tensor x = filled(kRows, kIn, dtype), a = filled(kRank, kIn, dtype);
    const Tensor u = filled(kRows, kRank, dtype);
    lora(state, element * kRows * kIn,
         [&] { cpu_kernels().linear_forward({.x = x.view(), .w = a.view(), .y = u.view()}); });
  });
  add("up", [=](benchmark::State& state) {
    const Tensor u = filled(kRows, kRank, dtype), b = filled(kOut, kRank, dtype);
    const Tensor y = filled(kRows, kOut, dtype);
    lora(state, 2 * element * kRows * kOut, [&] {
      cpu_kernels().linear_forward(
          {.x = u.view(), .w = b.view(), .y = y.view(), .scale = 2, .add = true});
    });
  });
  add("up_back_x", [=](benchmark::State& state) {
    const Tensor dy = filled(kRows, kOut, dtype), b = filled(kOut, kRank, dtype);
    const Tensor du = filled(kRows, kRank, dtype);
    lora(state, element * kRows * kOut, [&] {
      cpu_kernels().linear_backward_x(
          {.w = b.view(), .dy = dy.view(), .dx = du.view(), .scale = 2, .add_dx = true});
    });
  });
  add("up_back_w", [=](benchmark::State& state) {
    const Tensor dy = filled(kRows, kOut, dtype), u = filled(kRows, kRank, dtype);
    const Tensor db = filled(kOut, kRank, Dtype::kF32);
    lora(state, element * kRows * kOut, [&] {
      cpu_kernels().linear_backward_w(
          {.x = u.view(), .dy = dy.view(), .dw = db.view(), .scale = 2});
    });
  });
  add("down_back_w", [=](benchmark::State& state) {
    const Tensor du = filled(kRows, kRank, dtype), x = filled(kRows, kIn, dtype);
    const Tensor da = filled(kRank, kIn, Dtype::kF32);
    lora(state, element * kRows * kIn, [&] {
      cpu_kernels().linear_backward_w({.x = x.view(), .dy = du.view(), .dw = da.view()});
    });
  });
  add("down_back_x", [=](benchmark::State& state) {
    const Tensor du = filled(kRows, kRank, dtype), a = filled(kRank, kIn, dtype);
    const Tensor dx = filled(kRows, kIn, dtype);
    lora(state, 2 * element * kRows * kIn, [&] {
      cpu_kernels().linear_backward_x(
          {.w = a.view(), .dy = du.view(), .dx = dx.view(), .add_dx = true});
    });
  });
}

const int registered = [] {
  using Run = void (*)(benchmark::State&, const Site&, const Types&, int64_t);
  const auto add = [](const std::string& name, Run run, const Site& site, const Types& types,
                      int64_t rows, const char* unit) {
    const std::string full =
        name + "/" + site.name + "/" + std::to_string(rows) + "/" + types.name + "/" + unit;
    benchmark::RegisterBenchmark(full.c_str(), run, site, types, rows)
        ->UseManualTime()
        ->Iterations(1);
  };
  for (const Types& types : kTypes) {
    for (const Site& site : kSites) {
      for (const int64_t rows : {32, 512}) add("linear", forward, site, types, rows, "GFLOP");
      add("linear_back_x", backward_x, site, types, 512, "GFLOP");
      if (types.rows == types.weights)  // only weights that learn
        add("linear_back_w", backward_w, site, types, 512, "GFLOP");
    }
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 8})
      add("decode", decode, kSites[2], types, rows, "GB");
    add("decode", decode, kSites[0], types, 1, "GB");
    add("decode", decode, kSites[3], types, 1, "GB");
  }
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF32}) lora_all(dtype);
  return 0;
}();

}  // namespace
}  // namespace falconer::bench
