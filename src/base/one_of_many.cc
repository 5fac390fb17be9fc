#include "base/one_of_many.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "base/interrupt.h"
#include "base/system.h"

namespace falconer {
namespace {

std::atomic<bool> many = false, silent = false, by_mpirun = false;
std::atomic<bool> continued = false;  // by a signal handler

}  // namespace

void be_one_of_many(bool first) {
  many = true;
  silent = !first;
}

bool is_one_of_many() { return many; }
void be_started_by_mpirun() { by_mpirun = true; }
bool speaks() { return !silent; }

bool stdout_is_terminal() { return !many && !by_mpirun && ::isatty(STDOUT_FILENO) != 0; }

// Open MPI sends SIGCONT before all else to those whom it will end.
bool told_to_end(double seconds) {
  struct sigaction action = {};
  action.sa_handler = [](int) { continued = true; };
  ::sigaction(SIGCONT, &action, nullptr);
  for (const double end = now_seconds() + seconds; now_seconds() < end;) {
    if (continued || interrupted()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace falconer
