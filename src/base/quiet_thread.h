// Threads of the library's own beside those of the program.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace falconer {

/// Signals are for the program's own threads: this one gets none.
template <class Work>
std::thread quiet_thread(Work work) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  struct Restore {
    const sigset_t* before;
    ~Restore() { ::pthread_sigmask(SIG_SETMASK, before, nullptr); }
  } const restore{&before};
  return std::thread(std::move(work));
}

}  // namespace falconer
