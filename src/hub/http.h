// Requests to a hub, and to the hosts that it sends us on to.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/interrupt.h"
#include "hub/settings.h"

namespace falconer::hub {

enum class NetworkProblem { kUnreachable, kProxy, kTls, kDropped, kTimedOut };

/// No whole answer came. The message says what happened and what to do.
class NetworkError : public Error {
 public:
  NetworkError(NetworkProblem problem, bool passing, const std::string& what,
               const std::string& next_step)
      : Error(what + ". " + next_step), problem_(problem), passing_(passing), brief_(what) {}
  NetworkProblem problem() const { return problem_; }
  /// Whether the same request may well succeed a little later.
  bool passing() const { return passing_; }
  /// What happened, without what to do.
  const std::string& brief() const { return brief_; }

 private:
  NetworkProblem problem_;
  bool passing_;
  std::string brief_;
};

/// Work was stopped from outside: Ctrl-C, or an error in another thread.
class Cancelled : public Error {
 public:
  Cancelled() : Error("stopped; the same command goes on from here", interrupt_exit_code()) {}
};

struct HttpReply {
  using Headers = std::map<std::string, std::string>;  // names in small letters

  int status = 0;
  std::string url;       // of the last host that was asked
  bool from_hub = true;  // whether that was the hub itself
  Headers headers;       // its headers
  Headers hub_headers;   // those of the hub, which says more about a file than where the file lies
  std::string body;      // what `on_body` did not take; of an error the beginning

  bool ok() const { return status >= 200 && status < 300; }
  /// Empty where there is none.
  std::string header(const std::string& name) const { return find(headers, name); }
  std::string hub_header(const std::string& name) const { return find(hub_headers, name); }

 private:
  static std::string find(const Headers& headers, const std::string& name) {
    const auto it = headers.find(name);
    return it == headers.end() ? std::string() : it->second;
  }
};

/// A line of an answer's head: a header goes into `reply`, the first line of a further answer begins
/// anew. False where there are more headers than any answer has, or longer ones.
bool collect_header(std::string_view line, HttpReply& reply);

/// One connection at a time, kept open between requests. Redirects are followed, and the token goes
/// to the hub alone: a host that is not the hub never sees it.
class HttpClient {
 public:
  /// `cancelled` is asked about once a second, and at each piece of a body.
  HttpClient(const Settings& settings, std::function<bool()> cancelled);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  struct Request {
    std::string url;
    bool head = false;    // headers alone; a redirect to another host is the answer then
    uint64_t offset = 0;  // the body from this byte on, if the host can
  };
  /// Called with the pieces of a body whose status is a success. May throw.
  using OnBody = std::function<void(const HttpReply& reply, std::string_view piece)>;

  /// Without `on_body` the body is in the reply, where it is below 64 MiB.
  /// Errors: NetworkError, Cancelled, what `on_body` throws, an address that is not followed.
  HttpReply send(const Request& request, const OnBody& on_body = {});

 private:
  struct Hop;
  HttpReply ask(const Request& request, const std::string& url, const OnBody& on_body,
                const HttpReply::Headers& hub_headers);
  void set_options(const Request& request, const std::string& url, Hop& hop);
  [[noreturn]] void fail_network(int code, const std::string& url);
  bool is_hub(const std::string& url) const;

  const Settings& settings_;
  std::function<bool()> cancelled_;
  void* handle_ = nullptr;
  std::string detail_;  // where libcurl writes what went wrong
};

}  // namespace falconer::hub
