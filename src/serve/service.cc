#include "serve/service.h"

#include <algorithm>
#include <new>

#include "base/joined.h"
#include "base/log.h"
#include "base/small_letters.h"
#include "base/system.h"

namespace falconer::serve {
namespace {

constexpr double kLookSeconds = 0.1;
constexpr double kPingSeconds =
    10;  // of silence, behind which a client is told that it may wait on
constexpr double kLastBytesSeconds = 2;  // for answers that are written when the engine has stopped

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.starts_with("127.") || host == "::1" || host == "[::1]";
}

// "localhost" of "localhost:8000".
std::string host_of(const std::string& field) {
  if (field.starts_with('[')) return field.substr(0, field.find(']') + 1);
  return field.substr(0, field.find(':'));
}

HttpResponse response_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const RequestError& wrong) {
    return error_response(wrong);
  } catch (const Error& wrong) {
    return error_response(RequestError(400, wrong.what(), "", "invalid_value"));
  } catch (const std::bad_alloc&) {
    return error_response(busy(503, "there is no memory for this request now", "no_memory"));
  } catch (const std::exception& bug) {
    log_warning("a request failed by a mistake in falconer: {}", bug.what());
    return error_response(
        RequestError(500, "this request failed by a mistake in the server", "", "internal_error"));
  }
}

}  // namespace

struct Service::Route {
  const char* method;
  const char* path;
  void (Service::*call)(const Call&);
  bool open = false;      // without a key
  bool adapters = false;  // only where adapters may be loaded by request
  bool below = false;     // and all paths below it
};

const std::vector<Service::Route>& Service::routes() {
  static const std::vector<Route> all = {
      {"GET", "/", &Service::page, true},
      {"GET", "/health", &Service::health, true},
      {"GET", "/metrics", &Service::metrics_text},
      {"GET", "/v1/models", &Service::models},
      {"GET", "/v1/models/", &Service::model, false, false, true},
      {"POST", "/v1/chat/completions", &Service::chat},
      {"POST", "/v1/completions", &Service::completions},
      {"GET", "/tokenizer_info", &Service::tokenizer_info},
      {"POST", "/tokenize", &Service::tokenize},
      {"POST", "/detokenize", &Service::detokenize},
      {"POST", "/v1/load_lora_adapter", &Service::load_adapter, false, true},
      {"POST", "/v1/unload_lora_adapter", &Service::unload_adapter, false, true},
  };
  return all;
}

Service::Service(Backend& backend, ServedModel model, ServiceOptions options)
    : backend_(backend), model_(std::move(model)), options_(std::move(options)) {
  http_ = std::make_unique<HttpServer>(
      options_.http, [this](const Call& call) { handle(call); },
      [this](const HttpProblem& problem) {
        ++metrics_.requests[{"", problem.status}];
        if (problem.status == 503) return error_response(busy(503, problem.what, "no_connection"));
        return error_response(RequestError(problem.status, problem.what, "", "invalid_request"));
      });
  if (!is_loopback(options_.http.host) && options_.keys.empty())
    log_warning(
        "{}",
        worded("whoever reaches {} may ask this server; --api-key-file has keys that they need",
               options_.http.host));
}

Service::~Service() = default;

void Service::run(const std::function<bool()>& stopped) {
  stopped_ = stopped;
  http_->every(kLookSeconds, [this] { look_around(); });
  http_->run();
}

void Service::look_around() {
  const double silent_since = now_seconds() - kPingSeconds;
  std::vector<std::shared_ptr<Answering>> all;
  for (const auto& [exchange, answers] : answering_) all.push_back(answers);
  for (const auto& answers : all) answers->ping(silent_since);
  if (!stopping_ && (stop_asked_ || (stopped_ && stopped_()))) begin_to_stop();
  if (drained_ && (http_->counts().open == 0 || now_seconds() > stop_by_)) http_->stop();
}

void Service::begin_to_stop() {
  stopping_ = true;
  log_info("stopping: {} answers have {} seconds to come to their end", metrics_.answers,
           options_.stop_seconds);
  http_->keep_none();  // who comes now is told so
  end_worker_.add([this] {
    backend_.shut_down(options_.stop_seconds);
    http_->post([this] {
      http_->stop_listening();
      drained_ = true;
      stop_by_ = now_seconds() + kLastBytesSeconds;
    });
  });
}

void Service::handle(const Call& call) {
  try {
    route(call);
  } catch (...) {
    fail_call(call, std::current_exception());
  }
}

void Service::route(const Call& call) {
  const HttpRequest& request = call->request;
  check_origin(call);
  if (request.method == "OPTIONS") return answer_preflight(call);
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::vector<std::string> methods;
  for (const Route& one : routes()) {
    const bool here = one.below ? request.path.starts_with(one.path) && request.path != one.path
                                : request.path == one.path;
    if (!here || (one.adapters && !options_.load_adapters)) continue;
    methods.emplace_back(one.method);
    if (method != one.method) continue;
    if (!one.open) check_key(*call);
    return (this->*one.call)(call);
  }
  if (methods.empty()) {
    std::string what =
        fmt::format("there is nothing at {} {}", request.method, printable(request.path));
    if (request.path.ends_with("lora_adapter")) what += spelled("; --load-adapters allows it");
    throw RequestError(404, what, "", "not_found");
  }
  RequestError wrong(405,
                     fmt::format("{} is asked for with {}", request.path, joined(methods, " or ")),
                     "", "method_not_allowed");
  wrong.fields = {{"Allow", joined(methods, ", ")}};
  throw wrong;
}

// Pages of others may not use a browser that can reach this server: by their origin, or, where they have given their
// own name this server's address, by the name.
void Service::check_origin(const Call& call) const {
  const std::string* origin = call->request.field("origin");
  const std::string* host = call->request.field("host");
  if (origin != nullptr) {
    const bool own =
        host != nullptr && (*origin == "http://" + *host || *origin == "https://" + *host);
    const bool allowed =
        options_.cors == "*" || (!options_.cors.empty() && *origin == options_.cors);
    if (!own && !allowed)
      throw RequestError(403,
                         worded("pages of {} may not ask this server; --cors names one that may",
                                printable(*origin)),
                         "", "origin_not_allowed");
    if (!own) {
      call->fields.emplace_back("Access-Control-Allow-Origin",
                                options_.cors == "*" ? "*" : *origin);
      call->fields.emplace_back("Vary", "Origin");
    }
  }
  if (host == nullptr || !options_.keys.empty() || !is_loopback(options_.http.host)) return;
  const std::string name = small_letters(host_of(*host));
  if (!is_loopback(name) && name != options_.http.host)
    throw RequestError(
        403,
        worded("this server listens to its own machine, and is asked by the name {}; give "
               "--api-key-file, or ask for localhost",
               printable(name)),
        "", "host_not_allowed");
}

void Service::answer_preflight(const Call& call) const {
  call->answer({.status = 204,
                .fields = {{"Access-Control-Allow-Methods", "GET, POST"},
                           {"Access-Control-Allow-Headers",
                            "Authorization, Content-Type, X-Requested-With, X-Stainless-Arch, "
                            "X-Stainless-Lang, X-Stainless-OS, X-Stainless-Package-Version, "
                            "X-Stainless-Retry-Count, X-Stainless-Runtime, "
                            "X-Stainless-Runtime-Version, X-Stainless-Timeout"},
                           {"Access-Control-Max-Age", "600"}}});
}

void Service::check_key(Exchange& call) const {
  if (options_.keys.empty()) return;
  const std::string* given = call.request.field("authorization");
  if (given != nullptr && options_.keys.find(*given)) return;
  RequestError wrong(401,
                     given == nullptr ? "an API key is needed: Authorization: Bearer KEY"
                                      : "the API key is none of this server's",
                     "", "invalid_api_key");
  wrong.fields = {{"WWW-Authenticate", "Bearer"}};
  throw wrong;
}

std::string Service::user_of(const Exchange& call) const {
  const std::string* given = call.request.field("authorization");
  if (options_.keys.empty() || given == nullptr) return call.peer;
  return fmt::format("key {}", options_.keys.find(*given).value_or(0));
}

void Service::finish(const Call& call, const HttpResponse& response) {
  if (!call->begun()) call->answer(response);
  keep_record(*call);
}

void Service::fail_call(const Call& call, const std::exception_ptr& error) {
  finish(call, response_of(error));
}

void Service::keep_record(const Exchange& call, const std::string& more) {
  const std::string& path = call.request.path;
  const bool known = std::any_of(routes().begin(), routes().end(),
                                 [&](const Route& one) { return path == one.path; });
  ++metrics_.requests[{known ? path : "other", call.status()}];
  log_info("{} {} {} {}{}", call.peer, call.request.method, printable(path), call.status(), more);
}

void Service::answer_from(Worker& worker, const Call& call, std::function<HttpResponse()> work) {
  worker.add([this, call, work = std::move(work)] {
    HttpResponse response;
    try {
      response = work();
    } catch (...) {
      response = response_of(std::current_exception());
    }
    http_->post([this, call, response = std::move(response)] { finish(call, response); });
  });
}

}  // namespace falconer::serve
