// A client of HTTP that does what its test says, to the byte.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/small_letters.h"

namespace falconer::test {

struct ClientAnswer {
  int status = 0;  // 0: the connection ended before an answer
  std::map<std::string, std::string> fields;
  std::string body;  // chunks put together
};

class HttpConnection {
 public:
  explicit HttpConnection(int port, int receive_buffer = 0) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection() { close(); }

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void half_close() { ::shutdown(socket_, SHUT_WR); }
  /// False where the other side takes no more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  bool request(const std::string& method, const std::string& path, const std::string& body = "",
               const std::string& fields = "") {
    return send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}",
                            method, path, body.size(), fields, body));
  }
  /// Until `end` has come, the connection ends, or ten seconds have passed; what comes behind it waits.
  std::string until(std::string_view end) {
    size_t at = 0;
    while ((at = waiting_.find(end)) == std::string::npos)
      if (!more()) return std::exchange(waiting_, {});
    std::string text = waiting_.substr(0, at + end.size());
    waiting_.erase(0, at + end.size());
    return text;
  }
  std::string bytes(size_t count) {
    while (waiting_.size() < count && more()) {
    }
    std::string text = waiting_.substr(0, count);
    waiting_.erase(0, count);
    return text;
  }
  /// Whether the connection has ended, within so many milliseconds.
  bool ended(int milliseconds = 10000) {
    while (more(milliseconds)) {
    }
    return ended_;
  }
  ClientAnswer answer() {
    ClientAnswer answer = head();
    if (answer.fields.contains("content-length")) {
      answer.body = bytes(static_cast<size_t>(std::atol(answer.fields["content-length"].c_str())));
    } else if (answer.fields.contains("transfer-encoding")) {
      for (std::string part = chunk(); !part.empty(); part = chunk()) answer.body += part;
    } else if (answer.status != 204 && answer.status != 0) {
      while (more()) {
      }
      answer.body = std::exchange(waiting_, {});
    }
    return answer;
  }
  /// Status and fields alone.
  ClientAnswer head() {
    const std::string text = until("\r\n\r\n");
    ClientAnswer answer;
    if (!text.starts_with("HTTP/1.1 ")) return answer;
    answer.status = std::atoi(text.c_str() + 9);
    for (size_t at = text.find("\r\n") + 2; at + 2 < text.size();) {
      const size_t end = text.find("\r\n", at), colon = text.find(": ", at);
      answer.fields[small_letters(text.substr(at, colon - at))] =
          text.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    return answer;
  }
  /// The next one of a body; empty: its end.
  std::string chunk() {
    const size_t size = std::strtoul(until("\r\n").c_str(), nullptr, 16);
    std::string text = bytes(size + 2);
    text.resize(size);
    return text;
  }

 private:
  bool more(int milliseconds = 10000) {
    if (ended_ || socket_ < 0) return false;
    pollfd waits = {.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&waits, 1, milliseconds) <= 0) return false;
    char part[16384];
    const ssize_t count = ::recv(socket_, part, sizeof(part), 0);
    ended_ = count <= 0;
    if (!ended_) waiting_.append(part, static_cast<size_t>(count));
    return !ended_;
  }

  int socket_ = -1;
  bool connected_ = false, ended_ = false;
  std::string waiting_;
};

inline ClientAnswer ask(int port, const std::string& method, const std::string& path,
                        const std::string& body = "", const std::string& fields = "") {
  HttpConnection connection(port);
  connection.request(method, path, body, fields);
  return connection.answer();
}

}  // namespace falconer::test
