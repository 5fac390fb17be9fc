#include "c_api/call.h"

#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/current_error.h"
#include "base/error.h"

namespace falconer::c_api {
namespace {

thread_local std::string last_error;

sigset_t interrupts() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, number);
  return set;
}

}  // namespace

falconer_status keep_error() {
  try {
    CurrentError error = current_error();
    last_error = std::move(error.text);
    if (error.kind == CurrentError::Kind::kNoMemory) return FALCONER_NO_MEMORY;
    if (error.kind == CurrentError::Kind::kWrongInput)
      return error.exit_code == kExitUsage ? FALCONER_USAGE : FALCONER_ERROR;
    last_error += "\nThis is a bug in falconer; please report it.";
    return FALCONER_BUG;
  } catch (...) {
    return FALCONER_NO_MEMORY;  // for the message itself
  }
}

void need(const void* pointer, const char* what) {
  if (pointer == nullptr) fail_usage("{} is NULL", what);
}

char* text_copy(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

SignalsHeld::SignalsHeld() : before_() {
  const sigset_t held = interrupts();
  ::pthread_sigmask(SIG_BLOCK, &held, &before_);
}
SignalsHeld::~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

SignalsHeld::Mask::Mask(const sigset_t& set) : held() {
  ::pthread_sigmask(SIG_SETMASK, &set, &held);
}
SignalsHeld::Mask::~Mask() { ::pthread_sigmask(SIG_SETMASK, &held, nullptr); }

}  // namespace falconer::c_api

const char* falconer_last_error(void) { return falconer::c_api::last_error.c_str(); }

void falconer_text_free(char* text) { std::free(text); }

falconer_status falconer_cancel_new(falconer_cancel** cancel) {
  return falconer::c_api::call([&] {
    falconer::c_api::need(cancel, "cancel");
    *cancel = nullptr;
    *cancel = new falconer_cancel;
  });
}
void falconer_cancel_request(falconer_cancel* cancel) {
  if (cancel != nullptr) cancel->requested = true;
}
int falconer_cancel_requested(const falconer_cancel* cancel) {
  return cancel != nullptr && cancel->requested ? 1 : 0;
}
void falconer_cancel_free(falconer_cancel* cancel) { delete cancel; }
