// An HTTP server: one thread with an event loop (libevent) for all connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/http/exchange.h"

struct event;
struct event_base;
struct evconnlistener;

namespace falconer::serve {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: one that is free
  HttpLimits limits;
  int64_t connections = 16384;      // at once; what idles longest makes room for a new one
  double idle_seconds = 300;        // between two requests of a connection
  double request_seconds = 60;      // from a request's first byte to its last
  double write_seconds = 60;        // without a byte that the client reads
  size_t unread = size_t{1} << 20;  // bytes of a streamed answer that may wait for the client
};

struct HttpCounts {
  int64_t open = 0;      // connections now
  int64_t accepted = 0;  // since the start
  int64_t refused = 0;   // there was no room
  int64_t cut = 0;       // clients that did not read, or did not send
};

class HttpServer {
 public:
  using Handler = std::function<void(const std::shared_ptr<Exchange>&)>;
  /// What is answered where a request cannot be parsed, or there is no room for its connection.
  using OnProblem = std::function<HttpResponse(const HttpProblem&)>;

  /// Listens; connections wait until run(). Errors: no such host, the port is taken or may not be had.
  HttpServer(HttpServerOptions options, Handler handler, OnProblem on_problem);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  int port() const { return port_; }
  const HttpServerOptions& options() const { return options_; }
  const HttpCounts& counts() const { return counts_; }

  /// The loop, until stop(). What a handler throws ends it, and comes out here.
  void run();
  /// From any thread.
  void stop();
  /// From now on a connection ends behind its answer. New ones are taken.
  void keep_none() { keeping_ = false; }
  /// No new connections; those that idle are closed, others behind what they are at.
  void stop_listening();
  /// Runs `work` on the loop's thread, in the order of the calls. From any thread; what comes after the loop's end is
  /// dropped.
  void post(std::function<void()> work);
  /// Runs `work` on the loop's thread again and again, as long as the loop runs. From the loop's thread, or before.
  void every(double seconds, std::function<void()> work);

 private:
  friend class Connection;
  struct Impl;
  void listen();
  void accept(int socket, const std::string& peer);
  void run_posted();
  void guard(const std::function<void()>& work);
  void idles(Connection& connection, bool is);
  void forget(const std::shared_ptr<Connection>& connection);

  HttpServerOptions options_;
  Handler handler_;
  OnProblem on_problem_;
  HttpCounts counts_;
  int port_ = 0;
  bool keeping_ = true;
  std::unique_ptr<Impl> impl_;
};

/// Errors: those that an HttpServer there would have now. For whoever has much to do before one is made.
void check_address(const HttpServerOptions& options);

/// This process's limit of open files is raised as far as it may be; returns what it is then.
int64_t raise_open_files();

}  // namespace falconer::serve
