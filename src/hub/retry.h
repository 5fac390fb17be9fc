// When to ask again, and what to say when there is no use in it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "hub/http.h"
#include "hub/repo.h"

namespace falconer::hub {

/// Whether a later request may be answered otherwise: too many requests, or the hub's own trouble.
bool is_passing_status(int status);

/// The seconds that the hub asks to wait, in Retry-After or as a draft standard says it in RateLimit
/// ("api";r=0;t=55). Nothing where it does not say.
std::optional<double> asked_delay(const HttpReply& reply);

/// An answer that is no success, as an error that says what to do about it. `file` is empty where a
/// repository was asked for.
[[noreturn]] void fail_status(const HttpReply& reply, const Repo& repo, const std::string& file,
                              const Settings& settings);

/// Counts tries and waits between them, twice as long each time. Progress begins the count anew.
class Retry {
 public:
  using Note = std::function<void(const std::string& text)>;
  Retry(const Settings& settings, Note note, std::function<bool()> cancelled)
      : settings_(settings), note_(std::move(note)), cancelled_(std::move(cancelled)) {}

  /// Waits and returns true, or returns false where it is time to give up. `what` is said to people.
  /// Error: Cancelled.
  bool again(const std::string& what, std::optional<double> asked = {});
  void progressed() { tries_ = 0; }
  /// Fewer tries from now on, for a host that never answered yet.
  void limit(int tries) { most_ = tries; }

 private:
  const Settings& settings_;
  Note note_;
  std::function<bool()> cancelled_;
  int tries_ = 0;
  std::optional<int> most_;
};

/// Sends a request until it is answered with anything but a passing trouble. Errors: NetworkError,
/// Cancelled.
HttpReply send_until_answered(HttpClient& client, Retry& retry, const HttpClient::Request& request);

}  // namespace falconer::hub
