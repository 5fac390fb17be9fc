// A request with the way to answer it. Belongs to the thread of the server's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/http/request.h"

namespace falconer::serve {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpResponse {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  HttpFields fields = {};  // beside Content-Type, Content-Length, Connection and Date
};

/// "Not Found".
const char* reason_of(int status);

class Connection;

class Exchange {
 public:
  Exchange(std::shared_ptr<Connection> connection, HttpRequest request, std::string peer);

  HttpRequest request;
  const std::string peer;  // the client's address, without its port
  HttpFields fields;       // that every answer gets

  /// All of it. An exchange is answered once, by this or by begin().
  void answer(const HttpResponse& response);
  /// A body that comes in parts, as long as it takes.
  void begin(int status, const std::string& type);
  /// Bytes of it. Where the client reads so slowly that more is waiting for it than may, the connection is cut.
  void send(std::string_view bytes);
  void end();

  bool begun() const { return status_ != 0; }
  int status() const { return status_; }
  /// Whether the client has closed the connection, or was cut.
  bool gone() const { return connection_ == nullptr; }
  /// Called where that happens before the answer's end; not from within send() and the like.
  void on_gone(std::function<void()> call) { on_gone_ = std::move(call); }

 private:
  friend class Connection;
  std::string head(int status, const std::string& type, const std::string& length) const;
  void lose_connection();

  std::shared_ptr<Connection> connection_;  // null once it is gone, or the answer has ended
  std::function<void()> on_gone_;
  int status_ = 0;
  bool chunked_ = false, ended_ = false, bodiless_ = false;
};

}  // namespace falconer::serve
