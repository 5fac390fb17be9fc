// One connection of an HttpServer.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "serve/http/server.h"

struct bufferevent;

namespace falconer::serve {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(HttpServer& server, std::string peer)
      : server_(server), parser_(server.options().limits), peer_(std::move(peer)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Takes the socket over.
  void open(event_base* base, int socket);
  /// Answers, and closes behind it.
  void refuse(const HttpProblem& problem);
  /// At once.
  void close();
  bool idle() const { return exchange_ == nullptr && !closing_ && !parser_.begun(); }
  /// The socket alone, without a word to whoever answers.
  void abandon();
  /// No further request: closes now, or behind the answer that is under way.
  void finish();

  // For Exchange.
  void write(std::string_view bytes);
  /// The same; cuts the connection, soon, where too much waits for the client already.
  void stream(std::string_view bytes);
  /// Bytes that wait for the client.
  size_t unread() const;
  void end_exchange(bool keep);

  std::list<Connection*>::iterator place;  // in the server's list of those that idle
  bool in_list = false;

 private:
  void on_read();
  void on_written();
  void on_event(short what);
  void on_time();
  void feed();
  void start_exchange();
  void await(double seconds);
  void begin_idle();
  void linger();

  HttpServer& server_;
  HttpParser parser_;
  const std::string peer_;
  bufferevent* buffers_ = nullptr;
  event* timer_ = nullptr;
  std::shared_ptr<Exchange> exchange_;
  bool closing_ = false;  // behind what is to be written
  bool lingering_ =
      false;          // all is written; what still comes is thrown away, so that the answer arrives
  bool cut_ = false;  // by stream()
  bool half_ = false;  // the client sends no more, and still reads
  size_t lingered_ = 0;
};

}  // namespace falconer::serve
