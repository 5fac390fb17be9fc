// Splitting work over one pool of threads (OpenMP's, which oneDNN uses as well).
#pragma once

#include <cstdint>
#include <functional>

namespace falconer {

/// Threads that parallel work uses: --threads, else OMP_NUM_THREADS, else the cores of this
/// process.
int thread_count();
void set_thread_count(int threads);

/// Calls `work(begin, end)` on disjoint ranges that cover [0, n), at most one per thread, none
/// shorter than `grain` unless n is. The ranges depend on the thread count, so work on an index
/// must not depend on which range it fell into: results are then the same at any thread count. An
/// exception in `work` is rethrown.
void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& work);

}  // namespace falconer
