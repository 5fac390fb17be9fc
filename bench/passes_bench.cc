// Passes over activations of Falcon-7B at 512 tokens, next to reading as many bytes as they move.
#include <functional>
#include <memory>
#include <vector>

#include "bench/paired.h"
#include "bench/peak.h"

namespace falconer::bench {
namespace {

constexpr int64_t kRows = 512, kWidth = 4544, kMlp = 18176, kVocab = 65024;

/// Registers `make(dtype)`: it gives the bytes moved and the call, which owns its tensors.
struct Pass {
  double bytes;
  std::function<void()> call;
};

void run(benchmark::State& state, Pass (*make)(Dtype), Dtype dtype) {
  const Pass pass = make(dtype);
  const Reading reading(pass.bytes);
  run_paired(state, pass.bytes, pass.call, [&] { reading.run(); });
}

/// Tensors that live as long as the call that uses them.
using Shared = std::shared_ptr<const std::vector<Tensor>>;
template <class... Tensors>
Shared keep(Tensors&&... tensors) {
  auto all = std::make_shared<std::vector<Tensor>>();
  (all->push_back(std::move(tensors)), ...);
  return all;
}
View at(const Shared& all, size_t i) { return (*all)[i].view(); }

double element(Dtype dtype) { return static_cast<double>(size_of(dtype)); }

Pass norm(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(1, kWidth, Dtype::kF32),
                        filled(1, kWidth, Dtype::kF32), filled(kRows, kWidth, dtype),
                        Tensor(kRows, 2, Dtype::kF32));
  return {2 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().norm_forward(
                {.x = at(t, 0), .w = at(t, 1), .b = at(t, 2), .y = at(t, 3), .stats = at(t, 4)});
          }};
}

Pass norm_back(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(1, kWidth, Dtype::kF32),
                        filled(kRows, 2, Dtype::kF32), filled(kRows, kWidth, dtype),
                        filled(kRows, kWidth, dtype));
  return {
      4 * element(dtype) * kRows * kWidth, [t] {
        cpu_kernels().norm_backward_x(
            {.x = at(t, 0), .w = at(t, 1), .stats = at(t, 2), .dy = at(t, 3), .dx_add = at(t, 4)});
      }};
}

Pass norm_back_w(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(kRows, 2, Dtype::kF32),
                        filled(kRows, kWidth, dtype), filled(1, kWidth, Dtype::kF32),
                        filled(1, kWidth, Dtype::kF32));
  return {2 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().norm_backward_w(
                {.x = at(t, 0), .stats = at(t, 1), .dy = at(t, 2), .dw = at(t, 3), .db = at(t, 4)});
          }};
}

Pass gelu(Dtype dtype) {
  const Shared t = keep(filled(kRows, kMlp, dtype), filled(kRows, kMlp, dtype));
  return {2 * element(dtype) * kRows * kMlp,
          [t] { cpu_kernels().gelu_forward({.x = at(t, 0), .y = at(t, 1)}); }};
}

Pass gelu_back(Dtype dtype) {
  const Shared t = keep(filled(kRows, kMlp, dtype), filled(kRows, kMlp, dtype));
  return {3 * element(dtype) * kRows * kMlp,
          [t] { cpu_kernels().gelu_backward({.x = at(t, 0), .d = at(t, 1)}); }};
}

Pass rms_norm(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(1, kWidth, Dtype::kF32),
                        filled(kRows, kWidth, dtype), Tensor(kRows, 1, Dtype::kF32));
  return {
      2 * element(dtype) * kRows * kWidth, [t] {
        cpu_kernels().rms_norm_forward(
            {.x = one_head(at(t, 0)), .y = one_head(at(t, 2)), .w = at(t, 1), .stats = at(t, 3)});
      }};
}

Pass rms_norm_back(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(1, kWidth, Dtype::kF32),
                        filled(kRows, 1, Dtype::kF32), filled(kRows, kWidth, dtype),
                        filled(kRows, kWidth, dtype));
  return {4 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().rms_norm_backward_x({.x = one_head(at(t, 0)),
                                               .w = at(t, 1),
                                               .stats = at(t, 2),
                                               .dy = one_head(at(t, 3)),
                                               .dx = one_head(at(t, 4)),
                                               .add_dx = true});
          }};
}

/// As of queries: 71 heads of 64 by the same weights.
Pass rms_norm_back_w(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(kRows, 71, Dtype::kF32),
                        filled(kRows, kWidth, dtype), filled(1, 64, Dtype::kF32));
  return {2 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().rms_norm_backward_w({.x = {at(t, 0), 1, 71, 0, 64},
                                               .stats = at(t, 1),
                                               .dy = {at(t, 2), 1, 71, 0, 64},
                                               .dw = at(t, 3)});
          }};
}

Pass gated(Dtype dtype) {
  const Shared t =
      keep(filled(kRows, kMlp, dtype), filled(kRows, kMlp, dtype), filled(kRows, kMlp, dtype));
  return {3 * element(dtype) * kRows * kMlp,
          [t] { cpu_kernels().gated_forward({.gate = at(t, 0), .up = at(t, 1), .y = at(t, 2)}); }};
}

Pass gated_back(Dtype dtype) {
  const Shared t =
      keep(filled(kRows, kMlp, dtype), filled(kRows, kMlp, dtype), filled(kRows, kMlp, dtype),
           filled(kRows, kMlp, dtype), filled(kRows, kMlp, dtype));
  return {
      5 * element(dtype) * kRows * kMlp, [t] {
        cpu_kernels().gated_backward(
            {.gate = at(t, 0), .up = at(t, 1), .dy = at(t, 2), .dgate = at(t, 3), .dup = at(t, 4)});
      }};
}

Pass soft_cap(Dtype) {
  const Shared t = keep(filled(64, kVocab, Dtype::kF32));
  return {2 * 4.0 * 64 * kVocab,
          [t] { cpu_kernels().soft_cap_forward({.x = at(t, 0), .cap = 30}); }};
}

Pass residual(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(kRows, kWidth, dtype),
                        filled(kRows, kWidth, dtype));
  return {4 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().residual({.x = at(t, 0), .a = at(t, 1), .b = at(t, 2), .y = at(t, 0)});
          }};
}

Pass rope(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth + 128, dtype), filled(2048, 64, Dtype::kF32),
                        Tensor(1, kRows, Dtype::kI32));
  for (int32_t i = 0; i < kRows; ++i) at(t, 2).row<int32_t>(0)[i] = i;
  return {2 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().rope(
                {.x = {at(t, 0), 1, 71, 0, 64}, .positions = at(t, 2), .table = at(t, 1)});
          }};
}

Pass affine(Dtype dtype) {
  const Shared t =
      keep(filled(kRows, kMlp, dtype), filled(1, kMlp, Dtype::kF32), filled(1, kMlp, Dtype::kF32));
  return {2 * element(dtype) * kRows * kMlp, [t] {
            cpu_kernels().affine_forward({.y = at(t, 0), .scale = at(t, 1), .bias = at(t, 2)});
          }};
}

Pass affine_back(Dtype dtype) {
  const Shared t =
      keep(filled(kRows, kMlp, dtype), filled(1, kMlp, Dtype::kF32), filled(kRows, kMlp, dtype),
           filled(1, kMlp, Dtype::kF32), filled(1, kMlp, Dtype::kF32));
  return {3 * element(dtype) * kRows * kMlp, [t] {
            cpu_kernels().affine_backward({.a = at(t, 0),
                                           .scale = at(t, 1),
                                           .d = at(t, 2),
                                           .dscale = at(t, 3),
                                           .dbias = at(t, 4)});
          }};
}

Pass dropout(Dtype dtype) {
  const Shared t = keep(filled(kRows, kWidth, dtype), filled(kRows, kWidth, dtype));
  return {2 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().dropout({.x = at(t, 0),
                                   .y = at(t, 1),
                                   .p = 0.05f,
                                   .stream = RandomStream(1, RandomPurpose::kDropout)});
          }};
}

Pass cross_entropy(Dtype dtype) {
  constexpr int64_t kChunk = 64;
  const Shared t = keep(filled(kChunk, kVocab, Dtype::kF32), Tensor(1, kChunk, Dtype::kI32),
                        Tensor(kChunk, 1, Dtype::kF32), filled(kChunk, kVocab, dtype));
  return {(4 + element(dtype)) * kChunk * kVocab, [t] {
            cpu_kernels().cross_entropy({.logits = at(t, 0),
                                         .targets = at(t, 1),
                                         .losses = at(t, 2),
                                         .dlogits = at(t, 3),
                                         .scale = 0.1f});
          }};
}

Pass embedding_back(Dtype dtype) {
  const Shared t = keep(Tensor(1, kRows, Dtype::kI32), filled(kRows, kWidth, dtype),
                        filled(kRows, kWidth, Dtype::kF32));
  for (int32_t i = 0; i < kRows; ++i) at(t, 0).row<int32_t>(0)[i] = i * 37 % kRows;
  return {(8 + element(dtype)) * kRows * kWidth, [t] {
            cpu_kernels().embedding_backward({.ids = at(t, 0), .dy = at(t, 1), .dw = at(t, 2)});
          }};
}

Pass gather_back(Dtype dtype) {
  const Shared t = keep(Tensor(1, kRows / 2, Dtype::kI32), filled(kRows / 2, kWidth, dtype),
                        filled(kRows, kWidth, dtype));
  for (int32_t i = 0; i < kRows / 2; ++i) at(t, 0).row<int32_t>(0)[i] = 2 * i;
  return {1.5 * element(dtype) * kRows * kWidth, [t] {
            cpu_kernels().gather_backward({.dy = at(t, 1), .index = at(t, 0), .dx = at(t, 2)});
          }};
}

Pass column_sums(Dtype dtype) {
  const Shared t = keep(filled(kRows, kMlp, dtype), filled(1, kMlp, Dtype::kF32));
  return {element(dtype) * kRows * kMlp,
          [t] { cpu_kernels().linear_backward_b({.dy = at(t, 0), .db = at(t, 1)}); }};
}

/// Weights and their optimizer: one matrix of 4544 x 4544.
Tensor matrix(Dtype dtype) { return filled(kWidth, kWidth, dtype); }

Pass adamw(Dtype) {
  const Shared t = keep(matrix(Dtype::kF32), matrix(Dtype::kF32), matrix(Dtype::kF32),
                        Tensor(kWidth, kWidth, Dtype::kF32));
  return {7 * 4.0 * kWidth * kWidth, [t] {
            cpu_kernels().adamw(
                {.w = at(t, 0), .g = at(t, 1), .m = at(t, 2), .v = at(t, 3), .lr = 1e-9});
          }};
}

Pass sgd(Dtype) {
  const Shared t = keep(matrix(Dtype::kF32), matrix(Dtype::kF32));
  return {3 * 4.0 * kWidth * kWidth,
          [t] { cpu_kernels().sgd({.w = at(t, 0), .g = at(t, 1), .lr = 1e-9}); }};
}

Pass squares(Dtype) {
  const Shared t = keep(matrix(Dtype::kF32));
  return {4.0 * kWidth * kWidth,
          [t] { benchmark::DoNotOptimize(cpu_kernels().sum_of_squares(at(t, 0))); }};
}

Pass row_squares(Dtype dtype) {
  const Shared t = keep(matrix(dtype), Tensor(1, kWidth, Dtype::kF32));
  return {element(dtype) * kWidth * kWidth,
          [t] { cpu_kernels().row_squares({.w = at(t, 0), .out = at(t, 1)}); }};
}

Pass dora_norms(Dtype) {
  constexpr int64_t kOut = 4672, kRank = 8;
  const Shared t = keep(filled(1, kOut, Dtype::kF32), filled(kRank, kOut, Dtype::kF32),
                        filled(kRank, kRank, Dtype::kF32), filled(kOut, kRank, Dtype::kF32),
                        Tensor(1, kOut, Dtype::kF32));
  return {4.0 * kOut * (2 * kRank + 2), [t] {
            cpu_kernels().dora_norms({.w_squares = at(t, 0),
                                      .u = at(t, 1),
                                      .gram = at(t, 2),
                                      .b = at(t, 3),
                                      .norms = at(t, 4)});
          }};
}

Pass convert(Dtype dtype) {
  const Shared t = keep(matrix(Dtype::kF32), matrix(dtype));
  return {(4 + element(dtype)) * kWidth * kWidth,
          [t] { cpu_kernels().convert(at(t, 0), at(t, 1)); }};
}

struct Named {
  const char* name;
  Pass (*make)(Dtype);
  bool f32_only = false;
};
constexpr Named kPasses[] = {{"norm", norm},
                             {"norm_back_x", norm_back},
                             {"norm_back_w", norm_back_w},
                             {"gelu", gelu},
                             {"gelu_back", gelu_back},
                             {"rms_norm", rms_norm},
                             {"rms_norm_back_x", rms_norm_back},
                             {"rms_norm_back_w", rms_norm_back_w},
                             {"gated", gated},
                             {"gated_back", gated_back},
                             {"soft_cap", soft_cap, true},
                             {"residual", residual},
                             {"rope", rope},
                             {"affine", affine},
                             {"affine_back", affine_back},
                             {"dropout", dropout},
                             {"cross_entropy", cross_entropy},
                             {"embedding_back", embedding_back},
                             {"gather_back", gather_back},
                             {"column_sums", column_sums},
                             {"adamw", adamw, true},
                             {"sgd", sgd, true},
                             {"sum_of_squares", squares, true},
                             {"row_squares", row_squares},
                             {"dora_norms", dora_norms, true},
                             {"convert", convert}};

const int registered = [] {
  for (const Dtype dtype : {Dtype::kBF16, Dtype::kF32})
    for (const Named& pass : kPasses) {
      if (pass.f32_only && dtype != Dtype::kF32) continue;
      const std::string name = std::string(pass.name) + "/" + std::string(name_of(dtype)) + "/GB";
      benchmark::RegisterBenchmark(name.c_str(), run, pass.make, dtype)
          ->UseManualTime()
          ->Iterations(1);
    }
  return 0;
}();

}  // namespace
}  // namespace falconer::bench
