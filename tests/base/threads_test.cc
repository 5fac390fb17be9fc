#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace falconer {
namespace {

/// Sets the number of threads for one test.
struct Threads {
  explicit Threads(int count) : before(thread_count()) { set_thread_count(count); }
  ~Threads() { set_thread_count(before); }
  int before;
};

TEST(ParallelFor, CoversEveryIndexOnceInRangesOfAtLeastGrain) {
  for (const int threads : {1, 2, 3, 8}) {
    const Threads set(threads);
    for (const int64_t n : {0, 1, 2, 7, 100, 1001})
      for (const int64_t grain : {0, 1, 3, 50, 5000}) {
        std::vector<std::atomic<int>> seen(n);
        std::atomic<int> ranges = 0, short_ranges = 0;
        parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          ++ranges;
          if (end - begin < grain) ++short_ranges;
          for (int64_t i = begin; i < end; ++i) ++seen[i];
        });
        for (const auto& count : seen) EXPECT_EQ(count, 1);
        EXPECT_LE(ranges, threads);
        EXPECT_EQ(short_ranges, n > 0 && n < grain ? 1 : 0) << n << " by " << grain;
      }
  }
}

TEST(ParallelFor, RethrowsAnException) {
  for (const int threads : {1, 4}) {
    const Threads set(threads);
    for (const int64_t bad : {0, 57, 99}) {
      std::atomic<int> done = 0;
      const auto work = [&](int64_t begin, int64_t end) {
        if (begin <= bad && bad < end) throw std::runtime_error("index 57 or so");
        ++done;
      };
      EXPECT_THROW(parallel_for(100, 1, work), std::runtime_error);
      // The other ranges were finished, not abandoned.
      EXPECT_EQ(done, threads - 1);
    }
    // The pool is whole afterwards.
    std::atomic<int64_t> sum = 0;
    parallel_for(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
    EXPECT_EQ(sum, 100);
  }
}

TEST(ParallelFor, InsideItselfRunsOnTheSameThread) {
  const Threads set(4);
  std::atomic<int> inner_ranges = 0, outer_ranges = 0;
  parallel_for(4, 1, [&](int64_t, int64_t) {
    ++outer_ranges;
    parallel_for(100, 1, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(begin, 0);
      EXPECT_EQ(end, 100);
      ++inner_ranges;
    });
  });
  EXPECT_EQ(inner_ranges, outer_ranges);
}

TEST(ThreadCount, IsAtLeastOne) {
  const Threads set(0);
  EXPECT_EQ(thread_count(), 1);
  set_thread_count(3);
  EXPECT_EQ(thread_count(), 3);
}

}  // namespace
}  // namespace falconer
