// The emulated device itself: it must find what a real one would not forgive.
#include "support/emulated_gpu.h"
// Behind it: what kernels share.
#include <gtest/gtest.h>

#include "ops/cuda/gpu.h"
#include "support/sanitized.h"
#include "tensor/buffer.h"

namespace falconer::emulated {
namespace {

using test::kThreadSanitized;

void reverse_kernel(int32_t* x) {
  auto* room = reinterpret_cast<int32_t*>(shared_memory());
  room[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  x[blockIdx.x * blockDim.x + threadIdx.x] = room[blockDim.x - 1 - threadIdx.x];
}

void sums_kernel(float* x) {
  auto* room = reinterpret_cast<float*>(shared_memory());
  const float all = block_sum(float(threadIdx.x), room), most = block_max(float(threadIdx.x), room);
  const float of_warp = warp_sum(1.0f);
  if (threadIdx.x == 0) {
    x[0] = all;
    x[1] = most;
    x[2] = of_warp;
  }
}

// Right where threads run from the first to the last.
void hasty_kernel(int32_t* x) {
  auto* room = reinterpret_cast<int32_t*>(shared_memory());
  room[threadIdx.x] = static_cast<int32_t>(threadIdx.x);
  const unsigned before = threadIdx.x > 0 ? threadIdx.x - 1 : 0;
  x[threadIdx.x] = room[before];
}

void diverging_kernel() {
  if (threadIdx.x < 7) __syncwarp();
}
void leaving_kernel() {
  if (threadIdx.x < 32) return;
  __syncthreads();
}

std::vector<float> read(Device& device, const float* from, size_t count) {
  std::vector<float> values(count);
  device.copy_out(values.data(), from, count * sizeof(float));
  return values;
}

TEST(EmulatedGpu, BlocksMeetAtBarriers) {
  const auto device = open_emulated();
  std::vector<int32_t> numbers(3 * 64);
  for (int32_t i = 0; i < 192; ++i) numbers[static_cast<size_t>(i)] = i;
  Buffer memory(numbers.size() * 4, device.get());
  device->copy_in(memory.data(), numbers.data(), numbers.size() * 4);
  launch(device.get(), reverse_kernel, {.x = 3, .threads = 64, .shared = 64 * 4},
         reinterpret_cast<int32_t*>(memory.data()));
  device->copy_out(numbers.data(), memory.data(), numbers.size() * 4);
  for (int32_t i = 0; i < 192; ++i)
    EXPECT_EQ(numbers[static_cast<size_t>(i)], i / 64 * 64 + 63 - i % 64);
}

TEST(EmulatedGpu, SumsOfWarpsAndBlocks) {
  const auto device = open_emulated();
  Buffer memory(64, device.get());
  auto* x = reinterpret_cast<float*>(memory.data());
  launch(device.get(), sums_kernel, {.threads = 96, .shared = 64}, x);
  EXPECT_EQ(read(*device, x, 3), (std::vector<float>{95 * 96 / 2, 95, 32}));
}

TEST(EmulatedGpu, FindsThreadsThatWaitForNobody) {
  const auto device = open_emulated();
  launch(device.get(), diverging_kernel, {.threads = 64});
  EXPECT_THROW(device->synchronize(), Error);
  launch(device.get(), leaving_kernel, {.threads = 64});
  EXPECT_THROW(device->synchronize(), Error);
}

TEST(EmulatedGpu, FindsAKernelThatCountsOnAnOrder) {
  if (kThreadSanitized) GTEST_SKIP() << "ThreadSanitizer finds it too, and would end the test";
  const auto device = open_emulated();
  Buffer memory(64 * 4, device.get());
  const auto is_right = [&] {
    int32_t numbers[64];
    launch(device.get(), hasty_kernel, {.threads = 64, .shared = 64 * 4},
           reinterpret_cast<int32_t*>(memory.data()));
    device->copy_out(numbers, memory.data(), sizeof numbers);
    for (int32_t i = 1; i < 64; ++i)
      if (numbers[i] != i - 1) return false;
    return true;
  };
  int right = 0;
  for (int i = 0; i < 16; ++i) right += is_right() ? 1 : 0;
  EXPECT_LT(right, 8);
}

TEST(EmulatedGpuDeathTest, ItsMemoryCannotBeTouchedFromOutside) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto device = open_emulated();
  const Buffer memory(64, device.get());
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(memory.data()) = 1, "");
}

}  // namespace
}  // namespace falconer::emulated
