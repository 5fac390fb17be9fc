// Splitting work over one pool of threads, which is the library's own.
#pragma once

#include <cstdint>
#include <functional>

namespace falconer {

/// Threads that parallel work uses: --threads, else OMP_NUM_THREADS, else this process' cores
/// (base/cores.h). What is set holds for all threads of the process; from 1 to 4096.
int thread_count();
void set_thread_count(int threads);

/// Calls `work(begin, end)` on disjoint ranges that cover [0, n), some for each thread, none shorter than
/// `grain` unless n is. Who gets which is chance, so work on an index must not depend on which range it
/// fell into: results are then the same at any thread count. All ranges are worked on, and of their
/// exceptions the first range's is rethrown. Inside of itself it is one range, on the same thread.
void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& work);

}  // namespace falconer
