#include "base/threads.h"

#include <hwy/cache_control.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/cores.h"
#include "base/quiet_thread.h"

namespace falconer {
namespace {

using Work = std::function<void(int64_t, int64_t)>;

constexpr int kMostThreads = 4096;
/// Parts for each thread: one that is late, because another process has its core, then leaves most of
/// its share to the others.
constexpr int64_t kPartsPerThread = 4;
/// How long a thread that waits keeps its core before it sleeps: about what it takes to be woken.
constexpr std::chrono::microseconds kSpin(50);

std::atomic<int> threads_set = 0;  // 0: by default

/// Whether this thread runs a part of some work: what is parallel in it then runs on it alone.
thread_local bool inside = false;

/// The exception of the first part that threw, in the order of the parts.
class Failure {
 public:
  void keep(int64_t part) {
    const std::lock_guard<std::mutex> lock(guard_);
    if (first_ && part_ < part) return;
    first_ = std::current_exception();
    part_ = part;
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::mutex guard_;
  std::exception_ptr first_;
  int64_t part_ = 0;
};

/// One call of parallel_for.
struct Job {
  const Work* work;
  int64_t n, parts;
  Failure failure;

  void run(int64_t part) {
    try {
      (*work)(n * part / parts, n * (part + 1) / parts);
    } catch (...) {
      failure.keep(part);
    }
  }
};

/// The parts of a job that a thread should do, of which others take what it has not come to. All in one
/// word, so that a part is taken by one exchange and only of the job that is meant: the job's number
/// (32 bits), the next part and the end (16 bits each).
struct alignas(64) Share {
  std::atomic<uint64_t> word = 0;

  void fill(uint32_t job, int64_t next, int64_t end) {
    word.store(uint64_t{job} << 32 | static_cast<uint64_t>(next) << 16 | static_cast<uint64_t>(end),
               std::memory_order_release);
  }
  std::optional<int64_t> take(uint32_t job) {
    uint64_t seen = word.load(std::memory_order_acquire);
    for (;;) {
      const uint64_t next = seen >> 16 & 0xFFFF, end = seen & 0xFFFF;
      if (seen >> 32 != job || next >= end) return std::nullopt;
      if (word.compare_exchange_weak(seen, seen + 0x10000, std::memory_order_acq_rel,
                                     std::memory_order_acquire))
        return static_cast<int64_t>(next);
    }
  }
};
static_assert(kMostThreads * kPartsPerThread <= 0xFFFF);

// The system's own way to sleep on a number. std::atomic's wait gives its turn away several times before
// it sleeps, and where others compute a turn is milliseconds.
/// Sleeps while `word` is `value` until it is woken, or less.
template <class T>
void sleep_while(std::atomic<T>& word, T value) {
  static_assert(sizeof word == 4);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
/// Wakes at most `count` of those that sleep on `word`.
template <class T>
void wake(std::atomic<T>& word, int count) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

/// Keeps the core for a while, or for no time; true where what is waited for came to be.
template <class Done>
bool spin(bool long_enough, Done&& done) {
  if (done()) return true;
  if (!long_enough) return false;
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      hwy::Pause();
      if (done()) return true;
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

/// Threads that wait for jobs. One caller has them at a time, and computes with them; nobody waits for a
/// thread that has not begun, so a job is done at the latest when its caller alone has done it.
class Pool {
 public:
  void run(Job& job, int threads) {
    int64_t part = 0;
    // While another caller has them this one is on its own.
    for (; part < job.parts && !guard_.try_lock(); ++part) job.run(part);
    if (part == job.parts) return;
    const std::lock_guard<std::mutex> lock(guard_, std::adopt_lock);
    if (closed_) {
      for (; part < job.parts; ++part) job.run(part);
      return;
    }
    if (threads != threads_) resize(threads);
    share_out(job, part);
    do_parts(0, number_.load(std::memory_order_relaxed));
    wait_for_others();
  }

  /// At the end of the process. Work that is still under way, or comes later, goes on without.
  void close() {
    if (!guard_.try_lock()) return;
    const std::lock_guard<std::mutex> lock(guard_, std::adopt_lock);
    closed_ = true;
    end_workers();
  }

 private:
  int present() const { return static_cast<int>(workers_.size()) + 1; }

  void resize(int threads) {
    end_workers();
    threads_ = threads;
    spins_ = threads <= cores_;
    shares_ = std::vector<Share>(static_cast<size_t>(threads));
    const uint32_t seen = number_.load(std::memory_order_relaxed);
    try {
      for (int rank = 1; rank < threads; ++rank)
        workers_.push_back(quiet_thread([this, rank, seen] { serve(rank, seen); }));
    } catch (const std::system_error&) {
      // The system gives no more threads: these will do.
    }
  }

  void end_workers() {
    ending_.store(true, std::memory_order_relaxed);
    next_number(kMostThreads);
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    ending_.store(false, std::memory_order_relaxed);
  }

  /// Tells the workers that there is something new, for `most` of them.
  void next_number(int64_t most) {
    number_.fetch_add(1);
    if (asleep_.load() > 0) wake(number_, static_cast<int>(most));
  }

  void share_out(Job& job, int64_t first) {
    const int64_t count = present(), parts = job.parts - first;
    const uint32_t number = number_.load(std::memory_order_relaxed) + 1;
    job_.store(&job, std::memory_order_relaxed);
    left_.store(static_cast<int32_t>(parts), std::memory_order_relaxed);
    for (int64_t i = 0; i < static_cast<int64_t>(shares_.size()); ++i)
      shares_[static_cast<size_t>(i)].fill(number, first + parts * std::min(i, count) / count,
                                           first + parts * std::min(i + 1, count) / count);
    next_number(parts - 1);
  }

  /// Until none is left: of its own share, then of the others'.
  void do_parts(size_t rank, uint32_t number) {
    int32_t done = 0;
    for (size_t i = 0; i < shares_.size(); ++i) {
      Share& share = shares_[(rank + i) % shares_.size()];
      // What was taken is not done yet: its job is there, and is what job_ names.
      while (const auto part = share.take(number)) {
        job_.load(std::memory_order_relaxed)->run(*part);
        ++done;
      }
    }
    if (done > 0 && left_.fetch_sub(done) == done && caller_asleep_.load()) wake(left_, 1);
  }

  void wait_for_others() {
    if (spin(spins_, [&] { return left_.load(std::memory_order_acquire) == 0; })) return;
    caller_asleep_.store(true);
    for (int32_t left = left_.load(); left != 0; left = left_.load()) sleep_while(left_, left);
    caller_asleep_.store(false, std::memory_order_relaxed);
  }

  void serve(int rank, uint32_t seen) {
    inside = true;
    for (;;) {
      if (!spin(spins_, [&] { return number_.load(std::memory_order_acquire) != seen; })) {
        asleep_.fetch_add(1);
        while (number_.load() == seen) sleep_while(number_, seen);
        asleep_.fetch_sub(1);
      }
      seen = number_.load(std::memory_order_acquire);
      if (ending_.load(std::memory_order_relaxed)) return;
      do_parts(static_cast<size_t>(rank), seen);
    }
  }

  std::mutex guard_;  // of one caller
  const int cores_ = usable_cores();
  int threads_ = 0;
  bool spins_ = false, closed_ = false;
  std::vector<std::thread> workers_;
  std::vector<Share> shares_;
  std::atomic<Job*> job_ = nullptr;
  std::atomic<bool> ending_ = false;
  // Each on a cache line of its own.
  alignas(64) std::atomic<uint32_t> number_ = 0;  // of the last job
  alignas(64) std::atomic<int32_t> left_ = 0;     // parts of it that are not done
  alignas(64) std::atomic<int> asleep_ = 0;       // workers
  std::atomic<bool> caller_asleep_ = false;
};

std::atomic<Pool*> pool = nullptr;  // never freed: other threads may compute while the process ends

/// Made with the pool. The child of a fork has none of its threads, and makes a pool of its own.
struct PoolLife {
  PoolLife() {
    ::pthread_atfork(nullptr, nullptr, [] {
      pool.store(nullptr);
      inside = false;
    });
  }
  PoolLife(const PoolLife&) = delete;
  PoolLife& operator=(const PoolLife&) = delete;
  ~PoolLife() {
    if (Pool* const last = pool.load()) last->close();
  }
};

Pool& the_pool() {
  static const PoolLife life;
  Pool* there = pool.load(std::memory_order_acquire);
  if (there != nullptr) return *there;
  auto* made = new Pool;
  if (pool.compare_exchange_strong(there, made)) return *made;
  delete made;
  return *there;
}

/// This thread is inside while it lives.
struct Inside {
  Inside() { inside = true; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { inside = false; }
};

}  // namespace

int thread_count() {
  if (const int set = threads_set.load(std::memory_order_relaxed); set > 0) return set;
  static const int by_default = std::min(kMostThreads, default_thread_count());
  return by_default;
}

void set_thread_count(int threads) { threads_set = std::clamp(threads, 1, kMostThreads); }

void parallel_for(int64_t n, int64_t grain, const Work& work) {
  if (n <= 0) return;
  const int64_t most = n / std::max<int64_t>(1, grain);
  const int threads = thread_count();
  if (most <= 1 || threads == 1 || inside) return work(0, n);
  Job job{.work = &work, .n = n, .parts = std::min(most, threads * kPartsPerThread), .failure = {}};
  {
    const Inside now;
    the_pool().run(job, threads);
  }
  job.failure.rethrow();
}

}  // namespace falconer
