// Connections that the other side has closed, for threads that write to some.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <time.h>

namespace falconer {

/// While it lives, writing to such a connection is an error of the call and not the end of the process, on this thread:
/// libcurl and libevent leave SIGPIPE alone. It is not ignored for good, since "falconer ... | head" relies on it.
class NoBrokenPipe {
 public:
  NoBrokenPipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoBrokenPipe(const NoBrokenPipe&) = delete;
  NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;
  ~NoBrokenPipe() {
    const timespec at_once{};
    if (sigismember(&before_, SIGPIPE) == 0) ::sigtimedwait(&pipe_, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_{}, before_{};
};

}  // namespace falconer
