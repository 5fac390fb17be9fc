#include "serve/http/exchange.h"

#include "base/error.h"
#include "base/system.h"
#include "serve/http/connection.h"

namespace falconer::serve {

const char* reason_of(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

Exchange::Exchange(std::shared_ptr<Connection> connection, HttpRequest asked, std::string from)
    : request(std::move(asked)), peer(std::move(from)), connection_(std::move(connection)) {
  bodiless_ = request.method == "HEAD";
}

std::string Exchange::head(int status, const std::string& type, const std::string& length) const {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_of(status));
  const auto add = [&](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  add("Date", utc_time("%a, %d %b %Y %H:%M:%S GMT"));
  if (!type.empty()) add("Content-Type", type);
  text += length;
  for (const auto& [name, value] : fields) add(name, value);
  if (!request.keep_alive) add("Connection", "close");
  if (request.keep_alive && request.minor == 0) add("Connection", "keep-alive");
  return text;
}

void Exchange::answer(const HttpResponse& response) {
  FALCONER_CHECK(!begun());
  status_ = response.status;
  if (gone()) return;
  const bool empty = response.status == 204;
  std::string text = head(response.status, empty ? "" : response.type,
                          empty ? "" : fmt::format("Content-Length: {}\r\n", response.body.size()));
  for (const auto& [name, value] : response.fields) text += name + ": " + value + "\r\n";
  text += "\r\n";
  if (!bodiless_ && !empty) text += response.body;
  connection_->write(text);
  end();
}

void Exchange::begin(int status, const std::string& type) {
  FALCONER_CHECK(!begun());
  status_ = status;
  chunked_ = request.minor == 1;
  if (!chunked_) request.keep_alive = false;  // its end is the body's
  if (gone()) return;
  connection_->write(head(status, type, chunked_ ? "Transfer-Encoding: chunked\r\n" : "") + "\r\n");
}

void Exchange::send(std::string_view bytes) {
  FALCONER_CHECK(begun() && !ended_);
  if (gone() || bytes.empty() || bodiless_) return;
  if (chunked_)
    connection_->stream(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
  else
    connection_->stream(bytes);
}

void Exchange::end() {
  FALCONER_CHECK(begun());
  if (std::exchange(ended_, true) || gone()) return;
  if (chunked_ && !bodiless_) connection_->write("0\r\n\r\n");
  if (gone()) return;
  on_gone_ = nullptr;
  const std::shared_ptr<Connection> connection = std::move(connection_);
  connection_ = nullptr;
  connection->end_exchange(request.keep_alive);
}

void Exchange::lose_connection() {
  connection_ = nullptr;
  if (ended_) return;
  if (const auto call = std::exchange(on_gone_, nullptr)) call();
}

}  // namespace falconer::serve
