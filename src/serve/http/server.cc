#include "serve/http/server.h"

#include <arpa/inet.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <unordered_map>

#include "base/error.h"
#include "base/log.h"
#include "base/no_broken_pipe.h"
#include "base/system.h"
#include "serve/http/connection.h"
#include "serve/http/loop.h"

namespace falconer::serve {
namespace {

constexpr int kBacklog = 4096;
constexpr int64_t kFilesBeside = 128;  // that the program has open, beside its connections
constexpr double kAcceptPause = 0.1;   // where the system has no file left

struct FreeListener {
  void operator()(evconnlistener* of) const { evconnlistener_free(of); }
};
struct FreeAddresses {
  void operator()(addrinfo* of) const { ::freeaddrinfo(of); }
};

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text,
                sizeof(text));
  else if (address->sa_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
                sizeof(text));
  return text;
}

int port_of(int socket) {
  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    fail("the port that is listened on cannot be told: {}", system_reason());
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// A socket that is bound, and listens if it is to; the reason why there is none is left in `why`.
int bound_socket(const addrinfo& at, bool listens, std::string& why) {
  const int socket = ::socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    why = system_reason();
    return -1;
  }
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket, at.ai_addr, at.ai_addrlen) == 0 &&
      (!listens || ::listen(socket, kBacklog) == 0))
    return socket;
  why = system_reason();
  ::close(socket);
  return -1;
}

int bound_socket(const HttpServerOptions& options, bool listens) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code =
      ::getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (code != 0)
    fail("--host {}: {}; give an address of this machine, such as 127.0.0.1", options.host,
         ::gai_strerror(code));
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  std::string why;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next)
    if (const int socket = bound_socket(*at, listens, why); socket >= 0) return socket;
  fail("cannot listen on {} port {}: {}; give another --port, or 0 for any that is free",
       options.host, options.port, why);
}

}  // namespace

void check_address(const HttpServerOptions& options) { ::close(bound_socket(options, false)); }

struct HttpServer::Impl {
  OwnedBase base;
  OwnedEvent posted_event;
  std::vector<OwnedEvent> timers;
  std::list<std::function<void()>> timed;  // what the timers do
  std::unique_ptr<evconnlistener, FreeListener> listener;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  std::list<Connection*> idle;  // what idles longest comes first
  std::exception_ptr thrown;
  int wake = -1;
  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // guarded by the mutex
};

HttpServer::HttpServer(HttpServerOptions options, Handler handler, OnProblem on_problem)
    : options_(std::move(options)),
      handler_(std::move(handler)),
      on_problem_(std::move(on_problem)),
      impl_(std::make_unique<Impl>()) {
  const int64_t files = raise_open_files();
  options_.connections =
      std::clamp<int64_t>(options_.connections, 1, std::max<int64_t>(1, files - kFilesBeside));
  impl_->base.reset(event_base_new());
  impl_->wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (impl_->base == nullptr || impl_->wake < 0)
    fail("no event loop can be made: {}", system_reason());
  impl_->posted_event.reset(event_new(
      impl_->base.get(), impl_->wake, EV_READ | EV_PERSIST,
      [](int, short, void* self) { static_cast<HttpServer*>(self)->run_posted(); }, this));
  event_add(impl_->posted_event.get(), nullptr);
  listen();
}

void HttpServer::listen() {
  const int socket = bound_socket(options_, true);
  port_ = port_of(socket);
  impl_->listener.reset(evconnlistener_new(
      impl_->base.get(),
      [](evconnlistener*, int connection, sockaddr* address, int, void* self) {
        static_cast<HttpServer*>(self)->accept(connection, text_of(address));
      },
      this, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, socket));
  FALCONER_CHECK(impl_->listener != nullptr);
  evconnlistener_set_error_cb(impl_->listener.get(), [](evconnlistener* listener, void* self) {
    log_warning("a connection could not be taken: {}", system_reason());
    evconnlistener_disable(listener);  // or the loop would come back to it without a pause
    const timeval pause = time_of(kAcceptPause);
    event_base_once(
        evconnlistener_get_base(listener), -1, EV_TIMEOUT,
        [](int, short, void* server) {
          if (auto& there = static_cast<HttpServer*>(server)->impl_->listener; there != nullptr)
            evconnlistener_enable(there.get());
        },
        self, &pause);
  });
}

HttpServer::~HttpServer() {
  // What is still open is not told: whoever has the exchanges is gone already.
  impl_->idle.clear();
  for (auto& [raw, connection] : impl_->connections) raw->in_list = false;
  auto connections = std::move(impl_->connections);
  impl_->connections.clear();
  for (auto& [raw, connection] : connections) connection->abandon();
  ::close(impl_->wake);
}

void HttpServer::guard(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {  // libevent is C
    if (impl_->thrown == nullptr) impl_->thrown = std::current_exception();
    event_base_loopbreak(impl_->base.get());
  }
}

void HttpServer::accept(int socket, const std::string& peer) {
  guard([&] {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ++counts_.accepted;
    if (counts_.open >= options_.connections && !impl_->idle.empty()) impl_->idle.front()->close();
    const bool full = counts_.open >= options_.connections;
    auto connection = std::make_shared<Connection>(*this, peer);
    impl_->connections.emplace(connection.get(), connection);
    ++counts_.open;
    connection->open(impl_->base.get(), socket);
    if (!full) return;
    ++counts_.refused;
    connection->refuse({503, fmt::format("all {} connections are in use", options_.connections)});
  });
}

void HttpServer::idles(Connection& connection, bool is) {
  if (connection.in_list == is) return;
  connection.in_list = is;
  if (is)
    connection.place = impl_->idle.insert(impl_->idle.end(), &connection);
  else
    impl_->idle.erase(connection.place);
}

void HttpServer::forget(const std::shared_ptr<Connection>& connection) {
  if (impl_->connections.erase(connection.get()) > 0) --counts_.open;
}

void HttpServer::post(std::function<void()> work) {
  bool first = false;
  {
    const std::scoped_lock lock(impl_->mutex);
    first = impl_->posted.empty();
    impl_->posted.push_back(std::move(work));
  }
  const uint64_t one = 1;
  if (first) static_cast<void>(::write(impl_->wake, &one, sizeof(one)) == sizeof(one));
}

void HttpServer::run_posted() {
  uint64_t count = 0;
  static_cast<void>(::read(impl_->wake, &count, sizeof(count)) == sizeof(count));
  std::vector<std::function<void()>> works;
  {
    const std::scoped_lock lock(impl_->mutex);
    works.swap(impl_->posted);
  }
  for (const auto& work : works) guard(work);
}

void HttpServer::every(double seconds, std::function<void()> work) {
  struct Timed {
    HttpServer* server;
    std::function<void()> work;
  };
  auto timed = std::make_shared<Timed>(Timed{this, std::move(work)});
  impl_->timed.push_back([timed] { timed->server->guard(timed->work); });
  impl_->timers.emplace_back(event_new(
      impl_->base.get(), -1, EV_PERSIST,
      [](int, short, void* call) { (*static_cast<std::function<void()>*>(call))(); },
      &impl_->timed.back()));
  const timeval time = time_of(seconds);
  event_add(impl_->timers.back().get(), &time);
}

void HttpServer::run() {
  const NoBrokenPipe no_broken_pipe;
  event_base_loop(impl_->base.get(), EVLOOP_NO_EXIT_ON_EMPTY);
  if (impl_->thrown != nullptr) std::rethrow_exception(std::exchange(impl_->thrown, nullptr));
}

void HttpServer::stop() {
  post([this] { event_base_loopbreak(impl_->base.get()); });
}

void HttpServer::stop_listening() {
  keep_none();
  impl_->listener.reset();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [raw, connection] : impl_->connections) all.push_back(connection);
  for (const auto& connection : all) connection->finish();
}

int64_t raise_open_files() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, INT32_MAX));
}

}  // namespace falconer::serve
