#include "base/interrupt.h"

#include <atomic>
#include <csignal>

namespace falconer {
namespace {

// The one global of the program: a signal handler can reach nothing else. Threads that fetch files
// look at it too.
std::atomic<bool> requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not wait for a lock");

void on_signal(int number) {
  if (requested.exchange(true)) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() { return requested; }

}  // namespace falconer
