#include "base/interrupt.h"

#include <atomic>
#include <csignal>

namespace falconer {
namespace {

// The globals of the program: a signal handler can reach nothing else. Threads that fetch files look
// at the first too.
std::atomic<bool> requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not wait for a lock");

std::atomic<bool> asked = false;  // by one that a second time is meant for good

void on_signal(int number) {
  requested = true;
  if (number != SIGHUP && asked.exchange(true)) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (std::signal(SIGHUP, on_signal) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

bool interrupted() { return requested; }

}  // namespace falconer
