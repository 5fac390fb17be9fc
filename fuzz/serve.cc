// What clients of the server send.
#include "base/error.h"
#include "serve/asked.h"
#include "serve/error.h"
#include "serve/http/request.h"
#include "targets.h"

namespace falconer::fuzz {
namespace {

/// Every request of a connection whose bytes come `step` at a time.
std::string requests_of(Input input, size_t step) {
  const serve::HttpLimits limits{.head = 1024, .fields = 20, .body = 4096};
  serve::HttpParser parser(limits);
  std::string all;
  while (!input.empty()) {
    const size_t taken = parser.push(input.substr(0, step));
    parser.take_expectation();
    if (parser.failed()) return all + std::to_string(parser.problem().status);
    FALCONER_CHECK(taken > 0 || parser.done());
    input.remove_prefix(taken);
    if (!parser.done()) continue;
    const serve::HttpRequest request = parser.take();
    FALCONER_CHECK(request.body.size() <= limits.body && request.fields.size() <= limits.fields);
    all += request.method + " " + request.path + "?" + request.query + "\n" + request.body + "\n";
    for (const auto& [name, value] : request.fields) all += name + ":" + value + "\n";
  }
  return all;
}

}  // namespace

void fuzz_http_request(Input input) {
  FALCONER_CHECK(requests_of(input, input.size()) == requests_of(input, 1));
}

void fuzz_serve_request(Input input) {
  if (input.empty()) return;
  const bool chat = input.front() % 2 == 0;
  input.remove_prefix(1);
  try {
    if (chat)
      serve::parse_chat_request(input, {}, {});
    else
      serve::parse_completion_request(input, {}, {});
  } catch (const serve::RequestError& error) {
    FALCONER_CHECK(error.status() == 400);
    serve::error_response(error);
  }
}

}  // namespace falconer::fuzz
