#include <gtest/gtest.h>

#include <cstring>

#include "support/devices.h"

namespace falconer::test {
namespace {

// A member is a pointer: one that a table leaves out is null.
int64_t empty_members(const Kernels& table) {
  static_assert(sizeof(Kernels) % sizeof(void*) == 0);
  std::vector<const void*> members(sizeof(Kernels) / sizeof(void*));
  std::memcpy(members.data(), &table, sizeof table);
  return std::count(members.begin(), members.end(), nullptr);
}

TEST(TableMembers, NoneIsEmpty) {
  EXPECT_EQ(empty_members(scalar_kernels()), 0);
  EXPECT_EQ(empty_members(cpu_kernels()), 0);
  EXPECT_EQ(empty_members(*emulated_device()->kernels), 0);  // compiled from the device's sources
}

}  // namespace
}  // namespace falconer::test
