// What every function of the C interface does: exceptions become a status and a message.
#pragma once

#include <atomic>
#include <csignal>
#include <string>

#include "falconer/c.h"
#include "falconer/error.h"

struct falconer_cancel {
  std::atomic<bool> requested = false;
};

namespace falconer::c_api {

/// Of the exception that is being handled; falconer_last_error() then has its words.
falconer_status keep_error();

template <class Work>
falconer_status call(Work&& work) {
  try {
    work();
    return FALCONER_OK;
  } catch (...) {
    return keep_error();
  }
}

/// Error (usage): a pointer that must not be null. `what` names it.
void need(const void* pointer, const char* what);

/// A copy that falconer_text_free() frees.
char* text_copy(const std::string& text);

/// While it lives SIGINT, SIGTERM and SIGHUP wait in this thread: handlers of others, which may run on its
/// stack, must not while kernels of oneDNN 2.6 compute with the stack pointer.
class SignalsHeld {
 public:
  SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld();

  /// Calls what belongs to the caller, with signals as they were.
  template <class Work>
  auto released(Work&& work) const {
    const Mask now(before_);
    return work();
  }

 private:
  struct Mask {
    explicit Mask(const sigset_t& set);
    ~Mask();
    sigset_t held;
  };
  sigset_t before_;
};

}  // namespace falconer::c_api
