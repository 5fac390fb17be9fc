#include "base/threads.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/sanitized.h"

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
        EXPECT_LE(ranges, threads == 1 ? 1 : 8 * threads);
        EXPECT_EQ(short_ranges, n > 0 && n < grain ? 1 : 0) << n << " by " << grain;
      }
  }
}

TEST(ParallelFor, RethrowsTheFirstRangesException) {
  for (const int threads : {1, 4}) {
    const Threads set(threads);
    for (const int64_t bad : {0, 57, 99}) {
      std::atomic<int> ranges = 0, done = 0;
      const auto work = [&](int64_t begin, int64_t end) {
        ++ranges;
        for (int64_t i = std::max(begin, bad); i < end; ++i)
          throw std::runtime_error("index " + std::to_string(i));
        ++done;
      };
      try {
        parallel_for(100, 1, work);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(error.what(), "index " + std::to_string(bad));
      }
      // The ranges before it were finished, and those behind it not abandoned.
      if (threads > 1) {
        EXPECT_GE(ranges, threads);
      }
      EXPECT_GE(done, bad * ranges / 101);
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

int64_t sum_below(int64_t n) {
  std::atomic<int64_t> sum = 0;
  parallel_for(n, 1, [&](int64_t begin, int64_t end) {
    int64_t mine = 0;
    for (int64_t i = begin; i < end; ++i) mine += i;
    sum += mine;
  });
  return sum;
}

TEST(ParallelFor, IsRightForManySmallJobsAtAnyNumberOfThreads) {
  for (const int threads : {2, 16, 3, 2, 64}) {
    const Threads set(threads);
    for (int64_t n = 0; n < 2000; ++n) ASSERT_EQ(sum_below(n % 97), (n % 97) * (n % 97 - 1) / 2);
  }
}

TEST(ParallelFor, IsRightForSeveralCallersAtOnce) {
  const Threads set(3);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 5; ++i)
    callers.emplace_back([&] {
      for (int64_t n = 0; n < 2000; ++n) wrong += sum_below(n % 50) != (n % 50) * (n % 50 - 1) / 2;
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

// A caller whose work waits for another caller's must not keep that one from its own.
TEST(ParallelFor, CallersDoNotWaitForOneAnother) {
  const Threads set(2);
  std::atomic<bool> begun = false, other_done = false;
  std::thread other([&] {
    while (!begun) std::this_thread::yield();
    EXPECT_EQ(sum_below(100), 4950);
    other_done = true;
  });
  parallel_for(2, 1, [&](int64_t, int64_t) {
    begun = true;
    while (!other_done) std::this_thread::yield();
  });
  other.join();
}

double cpu_seconds() {
  timespec now;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// On a machine that others use, time that is spent on waiting is taken from who is waited for.
TEST(ParallelFor, WaitingTakesNoProcessor) {
  if (test::kSanitized) GTEST_SKIP() << "a sanitizer's own threads take some";
  constexpr auto kWhile = std::chrono::milliseconds(200);
  const Threads set(4);
  parallel_for(4, 1, [](int64_t, int64_t) {});
  double begin = cpu_seconds();
  std::this_thread::sleep_for(kWhile);
  EXPECT_LT(cpu_seconds() - begin, 0.05) << "threads without work";
  begin = cpu_seconds();
  parallel_for(2, 1, [&](int64_t first, int64_t) {
    if (first == 1) std::this_thread::sleep_for(kWhile);
  });
  EXPECT_LT(cpu_seconds() - begin, 0.05) << "a caller and threads beside one that works";
}

// Signals go to the program's own threads, whose reads and waits they end.
TEST(ParallelFor, ItsThreadsTakeNoSignals) {
  const Threads set(3);
  std::atomic<int> here = 0, open = 0;
  const auto caller = std::this_thread::get_id();
  parallel_for(3, 1, [&](int64_t, int64_t) {
    // Until each thread has one: no thread takes two.
    ++here;
    while (here < 3) std::this_thread::yield();
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    if (std::this_thread::get_id() != caller)
      open += !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGTERM);
  });
  EXPECT_EQ(open, 0);
}

TEST(ParallelFor, WorksInTheChildOfAFork) {
  if (test::kSanitized) GTEST_SKIP() << "ThreadSanitizer wants no threads in a child";
  const Threads set(3);
  EXPECT_EQ(sum_below(100), 4950);
  const pid_t child = ::fork();
  if (child == 0) std::exit(sum_below(100) == 4950 ? 0 : 1);  // exit() ends its pool, too
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ThreadCount, IsWhatWasSetForAllThreads) {
  const Threads set(0);
  EXPECT_EQ(thread_count(), 1);
  set_thread_count(3);
  EXPECT_EQ(thread_count(), 3);
  std::thread([] { EXPECT_EQ(thread_count(), 3); }).join();
  set_thread_count(1 << 30);
  EXPECT_EQ(thread_count(), 4096);
}

}  // namespace
}  // namespace falconer
