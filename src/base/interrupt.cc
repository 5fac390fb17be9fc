#include "base/interrupt.h"

#include <csignal>

namespace falconer {
namespace {

// The one global of the program: a signal handler can reach nothing else.
volatile std::sig_atomic_t requested = 0;

void on_signal(int number) {
  if (requested != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  requested = 1;
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() { return requested != 0; }

}  // namespace falconer
