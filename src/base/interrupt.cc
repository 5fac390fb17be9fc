#include "base/interrupt.h"

#include <sys/auxv.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>

#include "base/error.h"
#include "base/one_of_many.h"

namespace falconer {
namespace {

// The globals of the program: a signal handler can reach nothing else. Threads that fetch files look
// at the first too.
std::atomic<bool> requested = false;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler must not wait for a lock");

std::atomic<int> first = 0;  // the signal that came first

std::atomic<bool> asked = false;  // by one that a second time is meant for good

void on_signal(int number) {
  int none = 0;
  first.compare_exchange_strong(none, number == SIGUSR1   ? SIGINT
                                      : number == SIGUSR2 ? SIGTERM
                                                          : number);
  requested = true;
  if (number != SIGHUP && asked.exchange(true)) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

/// Memory for a thread's handlers, which are without a stack of their own once it is gone.
struct HandlerStack {
  explicit HandlerStack(size_t size) : room(new std::byte[size]) {
    const stack_t own = {.ss_sp = room.get(), .ss_flags = 0, .ss_size = size};
    ::sigaltstack(&own, nullptr);
  }
  HandlerStack(const HandlerStack&) = delete;
  HandlerStack& operator=(const HandlerStack&) = delete;
  ~HandlerStack() {
    const stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    ::sigaltstack(&none, nullptr);
  }

  std::unique_ptr<std::byte[]> room;
};

// A stack of their own for this thread's handlers. Kernels that oneDNN 2.6.3 generates compute with the
// stack pointer as if it were any register, and what a handler puts below it then lies in a product's
// memory: runs that were told to stop ended on a damaged heap instead of saving.
void give_handlers_a_stack() {
  stack_t now = {};
  if (::sigaltstack(nullptr, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0) return;
  constexpr size_t kHandler = size_t{1} << 16;
  thread_local const HandlerStack stack(std::max<size_t>(::getauxval(AT_MINSIGSTKSZ), MINSIGSTKSZ) +
                                        kHandler);
}

// What whoever started the process has it ignore (nohup, a shell's background) stays ignored.
void handle(int number) {
  struct sigaction before = {};
  if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) return;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigaction(number, &action, nullptr);
}

}  // namespace

void catch_interrupts() {
  give_handlers_a_stack();
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) handle(number);
  if (is_one_of_many())
    for (const int number : {SIGUSR1, SIGUSR2}) handle(number);
}

bool interrupted() { return requested; }

void interrupt_as(int exit_code) {
  int none = 0;
  first.compare_exchange_strong(none, exit_code - 128);
  requested = true;
}

void forget_interrupts() {
  first = 0;
  asked = false;
  requested = false;
}

int interrupt_exit_code() {
  const int number = first;
  return number == 0 ? kExitInterrupted : 128 + number;
}

bool is_interrupt_exit_code(int code) {
  return code == 128 + SIGINT || code == 128 + SIGTERM || code == 128 + SIGHUP;
}

}  // namespace falconer
