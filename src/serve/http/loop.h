// libevent's types with C++'s owners.
#pragma once

#include <event2/event.h>
#include <sys/time.h>

#include <memory>

namespace falconer::serve {

inline timeval time_of(double seconds) {
  const auto whole = static_cast<time_t>(seconds);
  return {whole, static_cast<suseconds_t>((seconds - static_cast<double>(whole)) * 1e6)};
}

struct FreeEvent {
  void operator()(event* of) const { event_free(of); }
};
struct FreeBase {
  void operator()(event_base* of) const { event_base_free(of); }
};
using OwnedEvent = std::unique_ptr<event, FreeEvent>;
using OwnedBase = std::unique_ptr<event_base, FreeBase>;

}  // namespace falconer::serve
