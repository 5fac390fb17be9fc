// What bounds training and decoding on the GPU: the speed of a large bf16 product, and of moving
// memory.
#include <algorithm>
#include <cstdio>
#include <functional>

#include "base/error.h"
#include "base/system.h"
#include "ops/devices.h"
#include "ops/fill.h"
#include "ops/linear.h"
#include "ops/residual.h"
#include "tensor/buffer.h"

namespace {

using falconer::Dtype;
using falconer::Tensor;

/// The shortest of five times that ten calls take, in seconds for one.
double best_seconds(falconer::Device& device, const std::function<void()>& call) {
  constexpr int kTimes = 5, kCalls = 10;
  call();  // chooses an algorithm
  double best = 1e30;
  for (int time = 0; time < kTimes; ++time) {
    device.synchronize();
    const double start = falconer::now_seconds();
    for (int i = 0; i < kCalls; ++i) call();
    device.synchronize();
    best = std::min(best, (falconer::now_seconds() - start) / kCalls);
  }
  return best;
}

void measure() {
  const falconer::OpenedDevice opened = falconer::open_device("cuda");
  falconer::Device* device = opened.device.get();
  falconer::Arena scratch(1 << 20, device);
  falconer::Run run{.kernels = opened.kernels, .kept = &scratch, .scratch = &scratch};

  // Falcon-7B's feed-forward product over a packed micro-batch.
  constexpr int64_t kRows = 4096, kIn = 4544, kOut = 18176;
  const Tensor x(kRows, kIn, Dtype::kBF16, device), w(kOut, kIn, Dtype::kBF16, device),
      y(kRows, kOut, Dtype::kBF16, device);
  for (const Tensor* tensor : {&x, &w}) falconer::fill_normal(run, {.x = tensor->view()});
  const double product = best_seconds(*device, [&] {
    falconer::linear_forward(run, {.x = x.view(), .w = w.view(), .y = y.view()});
  });
  std::printf("bf16 product %lld x %lld x %lld: %.1f TFLOP/s\n", static_cast<long long>(kRows),
              static_cast<long long>(kOut), static_cast<long long>(kIn),
              2.0 * kRows * kIn * kOut / product / 1e12);

  constexpr int64_t kBytes = int64_t{2} << 30;
  const Tensor from(1 << 15, kBytes >> 16, Dtype::kBF16, device),
      to(1 << 15, kBytes >> 16, Dtype::kBF16, device);
  const double copy = best_seconds(*device, [&] { falconer::copy(run, from.view(), to.view()); });
  std::printf("memory, read and written: %.1f GB/s\n", 2.0 * kBytes / copy / 1e9);
}

}  // namespace

int main() {
  try {
    measure();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_peak: %s\n", error.what());
    return 1;
  }
}
