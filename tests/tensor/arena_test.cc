#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace falconer {
namespace {

/// Pushes, writes and releases as a block would.
std::vector<View> use(Arena& arena) {
  std::vector<View> views;
  const auto push = [&](int64_t rows, int64_t cols, Dtype dtype) {
    views.push_back(arena.push(rows, cols, dtype));
    if (!arena.measuring()) std::memset(views.back().data, 1, views.back().bytes());
  };
  push(3, 5, Dtype::kF32);
  push(1, 1, Dtype::kBF16);
  {
    const ArenaScope scope(arena);
    push(100, 7, Dtype::kF32);
    push(0, 7, Dtype::kF32);
  }
  push(2, 9, Dtype::kBF16);
  return views;
}

TEST(Arena, MeasuringFindsWhatTheRealOneNeeds) {
  Arena measuring;
  EXPECT_TRUE(measuring.measuring());
  const std::vector<View> planned = use(measuring);
  Arena real(measuring.high_water());
  EXPECT_FALSE(real.measuring());
  const std::vector<View> views = use(real);
  EXPECT_EQ(real.high_water(), measuring.high_water());
  EXPECT_EQ(real.mark(), measuring.mark());
  for (size_t i = 0; i < views.size(); ++i) {
    EXPECT_TRUE(same_shape(views[i], planned[i]));
    EXPECT_TRUE(planned[i]) << "a planned view must not read as none";
  }
}

TEST(Arena, PushesAreAlignedAndDoNotOverlap) {
  Arena arena(1 << 12);
  const View a = arena.push(1, 3, Dtype::kF32), b = arena.push(7, 3, Dtype::kBF16),
             c = arena.push(1, 1, Dtype::kF64);
  for (const View& v : {a, b, c}) EXPECT_EQ(reinterpret_cast<uintptr_t>(v.data) % 64, 0u);
  EXPECT_GE(b.at(0), a.at(0) + a.bytes());
  EXPECT_GE(c.at(0), b.at(0) + b.bytes());
}

TEST(Arena, ReleaseGoesBackToAMarkAndMemoryIsUsedAgain) {
  Arena arena(1 << 12);
  arena.push(1, 3, Dtype::kF32);
  const size_t mark = arena.mark();
  const View first = arena.push(4, 4, Dtype::kF32);
  const size_t high = arena.high_water();
  arena.release(mark);
  EXPECT_EQ(arena.mark(), mark);
  EXPECT_EQ(arena.push(4, 4, Dtype::kF32).data, first.data);
  EXPECT_EQ(arena.high_water(), high);
  EXPECT_THROW(arena.release(arena.mark() + 1), InternalError);
}

TEST(Arena, GoingPastThePlanIsABugAndChangesNothing) {
  Arena arena(128);
  arena.push(1, 16, Dtype::kF32);
  EXPECT_THROW(arena.push(1, 17, Dtype::kF32), InternalError);
  EXPECT_EQ(arena.mark(), 64u);
  EXPECT_NO_THROW(arena.push(1, 16, Dtype::kF32));
  EXPECT_THROW(arena.push(-1, 2, Dtype::kF32), InternalError);
}

TEST(Arena, PlannedForNothingHoldsNothing) {
  Arena arena(0);
  EXPECT_FALSE(arena.measuring());
  EXPECT_TRUE(arena.push(0, 5, Dtype::kF32));
  EXPECT_THROW(arena.push(1, 1, Dtype::kU8), InternalError);
}

TEST(ArenaDeathTest, TouchingAMeasuredViewStopsAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Arena arena;
  arena.push(1 << 20, 1 << 12, Dtype::kF32);  // planned sizes reach far
  const View v = arena.push(1, 4, Dtype::kF32);
  EXPECT_DEATH(*static_cast<volatile float*>(v.data) = 1, "");
}

}  // namespace
}  // namespace falconer
