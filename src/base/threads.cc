#include "base/threads.h"

#include <omp.h>

#include <algorithm>
#include <exception>
#include <mutex>

namespace falconer {

int thread_count() { return omp_get_max_threads(); }

void set_thread_count(int threads) { omp_set_num_threads(std::max(1, threads)); }

void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& work) {
  if (n <= 0) return;
  const int64_t most = std::max<int64_t>(1, n / std::max<int64_t>(1, grain));
  const int threads = static_cast<int>(std::min<int64_t>(most, thread_count()));
  if (threads == 1 || omp_in_parallel()) {
    work(0, n);
    return;
  }
  std::exception_ptr first;
  std::mutex guard;
#pragma omp parallel num_threads(threads)
  {
    const int64_t count = omp_get_num_threads(), rank = omp_get_thread_num();
    try {
      const int64_t begin = n * rank / count, end = n * (rank + 1) / count;
      if (begin < end) work(begin, end);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace falconer
