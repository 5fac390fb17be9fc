#include "tensor/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace falconer {
namespace {

TEST(Buffer, IsZeroedAndAligned) {
  for (const size_t bytes : {size_t{1}, size_t{1000}, size_t{5} << 20}) {
    const Buffer b(bytes);
    ASSERT_GE(b.size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b.data()) % 64, 0u);
    EXPECT_TRUE(
        std::all_of(b.data(), b.data() + bytes, [](std::byte x) { return x == std::byte{}; }));
    b.data()[bytes - 1] = std::byte{1};
  }
}

TEST(Buffer, MovesItsMemory) {
  Buffer a(100);
  std::byte* const data = a.data();
  Buffer b(std::move(a));
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.data(), nullptr);  // NOLINT: what is left behind is part of the contract
  a = std::move(b);
  EXPECT_EQ(a.data(), data);
  EXPECT_EQ(Buffer().data(), nullptr);
}

TEST(Buffer, MoreThanThereIsIsAnErrorWithTheSize) {
  try {
    const Buffer b(size_t{1} << 60);
    FAIL() << "memory that cannot be";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("1152921504606846976"), std::string::npos);
  }
}

TEST(Tensor, OwnsZeroedRows) {
  const Tensor t(3, 5, Dtype::kBF16);
  EXPECT_TRUE(t);
  EXPECT_FALSE(Tensor());
  EXPECT_EQ(t.view().rows, 3);
  EXPECT_EQ(t.view().cols, 5);
  EXPECT_TRUE(t.view().contiguous());
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 5; ++j) EXPECT_EQ(t.view().row<BF16>(i)[j].bits, 0);
  EXPECT_TRUE(Tensor(0, 5, Dtype::kF32)) << "no rows is not the same as none";
}

}  // namespace
}  // namespace falconer
