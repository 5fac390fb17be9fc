#include "serve/http/connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>

#include <cmath>

#include "base/error.h"
#include "serve/http/loop.h"

namespace falconer::serve {
namespace {

constexpr size_t kMostWaiting = size_t{64} << 10;  // of requests behind the one that is answered
constexpr size_t kMostLingered = size_t{64} << 20;
constexpr double kLingerSeconds = 5;

}  // namespace

Connection::~Connection() {
  if (buffers_ != nullptr) bufferevent_free(buffers_);
  if (timer_ != nullptr) event_free(timer_);
}

void Connection::open(event_base* base, int socket) {
  buffers_ = bufferevent_socket_new(base, socket, BEV_OPT_CLOSE_ON_FREE);
  timer_ = evtimer_new(
      base, [](int, short, void* self) { static_cast<Connection*>(self)->on_time(); }, this);
  if (buffers_ == nullptr || timer_ == nullptr) fail("no memory for another connection");
  bufferevent_setcb(
      buffers_, [](bufferevent*, void* self) { static_cast<Connection*>(self)->on_read(); },
      [](bufferevent*, void* self) { static_cast<Connection*>(self)->on_written(); },
      [](bufferevent*, short what, void* self) { static_cast<Connection*>(self)->on_event(what); },
      this);
  const timeval write = time_of(server_.options().write_seconds);
  bufferevent_set_timeouts(buffers_, nullptr, &write);
  bufferevent_setwatermark(buffers_, EV_READ, 0, kMostWaiting);
  bufferevent_enable(buffers_, EV_READ | EV_WRITE);
  begin_idle();
}

void Connection::await(double seconds) {
  const timeval time = time_of(seconds);
  evtimer_add(timer_, &time);
}

void Connection::begin_idle() {
  await(server_.options().idle_seconds);
  server_.idles(*this, true);
}

void Connection::on_read() {
  const auto self = shared_from_this();
  server_.guard([&] {
    if (lingering_ || closing_) {
      evbuffer* input = bufferevent_get_input(buffers_);
      lingered_ += evbuffer_get_length(input);
      evbuffer_drain(input, evbuffer_get_length(input));
      if (lingered_ > kMostLingered) close();
    } else if (exchange_ == nullptr) {
      feed();
    }
  });
}

void Connection::feed() {
  evbuffer* input = bufferevent_get_input(buffers_);
  const bool began = parser_.begun();
  while (evbuffer_get_length(input) > 0 && !parser_.done() && !parser_.failed()) {
    const auto length = static_cast<ev_ssize_t>(evbuffer_get_contiguous_space(input));
    const auto* bytes = reinterpret_cast<const char*>(evbuffer_pullup(input, length));
    const size_t taken = parser_.push({bytes, static_cast<size_t>(length)});
    evbuffer_drain(input, taken);
  }
  if (parser_.failed()) return refuse(parser_.problem());
  if (parser_.done()) return start_exchange();
  if (parser_.take_expectation()) write("HTTP/1.1 100 Continue\r\n\r\n");
  if (parser_.begun() && !began) {
    server_.idles(*this, false);
    await(server_.options().request_seconds);
  }
}

void Connection::start_exchange() {
  server_.idles(*this, false);
  evtimer_del(timer_);
  exchange_ = std::make_shared<Exchange>(shared_from_this(), parser_.take(), peer_);
  const std::shared_ptr<Exchange> exchange = exchange_;
  if (!server_.keeping_) exchange->request.keep_alive = false;
  server_.handler_(exchange);
}

void Connection::refuse(const HttpProblem& problem) {
  server_.idles(*this, false);
  HttpRequest nothing;
  nothing.keep_alive = false;
  exchange_ = std::make_shared<Exchange>(shared_from_this(), std::move(nothing), peer_);
  const std::shared_ptr<Exchange> exchange = exchange_;
  exchange->answer(server_.on_problem_(problem));
}

void Connection::write(std::string_view bytes) {
  if (buffers_ == nullptr) return;
  bufferevent_write(buffers_, bytes.data(), bytes.size());
}

void Connection::stream(std::string_view bytes) {
  if (cut_) return;
  write(bytes);
  if (unread() <= server_.options().unread) return;
  cut_ = true;
  ++server_.counts_.cut;
  server_.post([self = shared_from_this()] { self->close(); });
}

size_t Connection::unread() const {
  return buffers_ == nullptr ? 0 : evbuffer_get_length(bufferevent_get_output(buffers_));
}

void Connection::end_exchange(bool keep) {
  exchange_ = nullptr;
  if (buffers_ == nullptr) return;
  if (!keep || !server_.keeping_) {
    closing_ = true;
    if (unread() == 0) linger();
    return;
  }
  begin_idle();
  // The next request may be there already; it is not begun within the end of this one.
  if (evbuffer_get_length(bufferevent_get_input(buffers_)) > 0)
    bufferevent_trigger(buffers_, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

void Connection::on_written() {
  const auto self = shared_from_this();
  if (half_ && closing_) return close();
  if (closing_ && !lingering_) linger();
}

// A socket that is closed while bytes come in takes back what was written to it: the client would not read its
// answer. So this side is closed alone, and the other is awaited.
void Connection::linger() {
  lingering_ = true;
  ::shutdown(bufferevent_getfd(buffers_), SHUT_WR);
  await(kLingerSeconds);
}

void Connection::on_event(short what) {
  const auto self = shared_from_this();
  if ((what & BEV_EVENT_TIMEOUT) != 0) ++server_.counts_.cut;
  if ((what & BEV_EVENT_EOF) != 0 && exchange_ == nullptr && unread() > 0) {
    half_ = closing_ = true;
    return;
  }
  server_.guard([&] { close(); });
}

void Connection::on_time() {
  const auto self = shared_from_this();
  server_.guard([&] {
    if (lingering_ || !parser_.begun()) return close();
    ++server_.counts_.cut;
    refuse({408, fmt::format("the request did not come to its end within {} seconds",
                             std::lround(server_.options().request_seconds))});
  });
}

void Connection::finish() {
  if (exchange_ != nullptr) {
    exchange_->request.keep_alive = false;
  } else if (!closing_) {
    close();
  }
}

void Connection::abandon() {
  if (exchange_ != nullptr) exchange_->connection_ = nullptr;
  exchange_ = nullptr;
  if (buffers_ != nullptr) bufferevent_free(std::exchange(buffers_, nullptr));
  if (timer_ != nullptr) event_free(std::exchange(timer_, nullptr));
}

void Connection::close() {
  if (buffers_ == nullptr) return;
  const auto self = shared_from_this();
  server_.idles(*this, false);
  bufferevent_free(std::exchange(buffers_, nullptr));
  event_free(std::exchange(timer_, nullptr));
  const std::shared_ptr<Exchange> exchange = std::exchange(exchange_, nullptr);
  server_.forget(self);
  if (exchange != nullptr) exchange->lose_connection();
}

}  // namespace falconer::serve
