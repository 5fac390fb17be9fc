// The services over a device's primitives, on the emulated device, which does its work as late as it
// may.
#include "tensor/device.h"

#include <gtest/gtest.h>

#include "support/devices.h"
#include "support/emulated_gpu.h"
#include "tensor/arena.h"

namespace falconer::test {
namespace {

std::vector<int32_t> counted(size_t count, int32_t first) {
  std::vector<int32_t> numbers(count);
  for (size_t i = 0; i < count; ++i) numbers[i] = first + static_cast<int32_t>(i);
  return numbers;
}

class DeviceServices : public testing::Test {
 protected:
  std::vector<int32_t> read(const void* from, size_t count) {
    std::vector<int32_t> numbers(count);
    device->copy_out(numbers.data(), from, count * 4);
    return numbers;
  }
  std::unique_ptr<Device> device = emulated::open_emulated();
};

// Sizes around one and several of the pieces that copies go through.
TEST_F(DeviceServices, CopiesOfAnySizeComeBack) {
  const size_t piece = size_t{2} << 20;
  for (const size_t count : {size_t{1}, piece - 1, piece, piece + 1, 3 * piece + 5}) {
    const Buffer memory(count * 4, device.get());
    std::vector<int32_t> numbers = counted(count, 7);
    device->copy_in(memory.data(), numbers.data(), count * 4);
    std::fill(numbers.begin(), numbers.end(), 0);  // what was given may be changed at once
    EXPECT_TRUE(read(memory.data(), count) == counted(count, 7)) << count;
  }
}

TEST_F(DeviceServices, MemoryIsZeroed) {
  for (int time = 0; time < 2; ++time) {
    const Buffer memory(400, device.get());
    EXPECT_EQ(read(memory.data(), 100), std::vector<int32_t>(100));
    const std::vector<int32_t> numbers = counted(100, 1);
    device->copy_in(memory.data(), numbers.data(), 400);
  }
}

TEST_F(DeviceServices, StagedArraysAreSentOnceAndStayWhatTheyWere) {
  std::vector<int32_t> a = counted(10, 1), b = counted(10, 2);
  const void* first = device->staged(a.data(), 40);
  const void* second = device->staged(b.data(), 40);
  EXPECT_EQ(device->staged(counted(10, 1).data(), 40), first);
  EXPECT_NE(first, second);
  EXPECT_NE(device->staged(a.data(), 36), first);
  a = counted(10, 50);
  const void* third = device->staged(a.data(), 40);
  EXPECT_EQ(read(first, 10), counted(10, 1));
  EXPECT_EQ(read(second, 10), counted(10, 2));
  EXPECT_EQ(read(third, 10), counted(10, 50));
}

// A kernel of two arrays: the second one's way round the ring leaves the first one alone.
TEST_F(DeviceServices, StagedArraysOutliveTheNextOnes) {
  const std::vector<int32_t> first = counted(500000, -1);
  device->staged(first.data(), first.size() * 4);
  for (int32_t i = 0; i < 40; ++i) {
    const void* again = device->staged(first.data(), first.size() * 4);
    const std::vector<int32_t> other = counted(500000, i);
    device->staged(other.data(), other.size() * 4);
    EXPECT_TRUE(read(again, first.size()) == first) << i;
  }
}

TEST_F(DeviceServices, TooLargeAnArraySaysWhatToDo) {
  const std::vector<int32_t> numbers(3 << 20);
  try {
    device->staged(numbers.data(), numbers.size() * 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--micro-batch-size"), std::string::npos);
  }
}

// Many rounds through the ring: what was asked for last is always there.
TEST_F(DeviceServices, StagedArraysGoRound) {
  const size_t count = 100000;
  for (int32_t i = 0; i < 120; ++i) {
    const std::vector<int32_t> numbers = counted(count, i), small = counted(3, i);
    const void* large = device->staged(numbers.data(), count * 4);
    const void* little = device->staged(small.data(), 12);
    if (i % 7 != 0) continue;
    EXPECT_TRUE(read(large, count) == numbers) << i;
    EXPECT_TRUE(read(little, 3) == small) << i;
  }
}

TEST_F(DeviceServices, ConversionsBothWays) {
  for (const Dtype on_device : {Dtype::kF32, Dtype::kBF16})
    for (const Dtype on_host : {Dtype::kF32, Dtype::kBF16, Dtype::kF64}) {
      Tensor from(5, 7, on_host), back(5, 7, on_host), there(5, 9, on_device, device.get());
      std::vector<float> values;
      for (int i = 0; i < 35; ++i) values.push_back(0.5f * static_cast<float>(i - 9));
      set_values(from.view(), values);
      const View part = there.view().col_range(1, 7);
      copy_converted(from.view(), part);
      copy_converted(part, back.view());
      EXPECT_EQ(host_values(back.view()), values);
      EXPECT_EQ(host_values(part), values);
      clear(there.view());
      EXPECT_EQ(host_values(part), std::vector<float>(35));
    }
}

TEST_F(DeviceServices, WhatIsTooLargeIsAnError) {
  const auto small = emulated::open_emulated({.memory_bytes = 1 << 20});
  EXPECT_THROW(Buffer(2 << 20, small.get()), Error);
}

TEST_F(DeviceServices, HostAccessorsRefuseItsViews) {
  const Tensor there(2, 3, Dtype::kF32, device.get());
  EXPECT_THROW(there.view().row<float>(0), InternalError);
  EXPECT_THROW(there.view().as<float>(), InternalError);
  const Arena arena = Arena::measuring_for(device.get());
  EXPECT_EQ(arena.device(), device.get());
}

}  // namespace
}  // namespace falconer::test
