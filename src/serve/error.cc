#include "serve/error.h"

#include "serve/json.h"

namespace falconer::serve {
namespace {

const char* type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

std::string error_text(const RequestError& error) {
  return json_text(Json{{"error",
                         {{"message", error.what()},
                          {"type", type_of(error.status())},
                          {"param", text_or_null(error.param())},
                          {"code", text_or_null(error.code())}}}});
}

HttpResponse error_response(const RequestError& error) {
  return {.status = error.status(), .body = error_text(error) + "\n", .fields = error.fields};
}

RequestError busy(int status, const std::string& message, const std::string& code) {
  RequestError error(status, message, "", code);
  // The openai client obeys it, up to two minutes, and tries twice.
  error.fields = {{"Retry-After", "1"}};
  return error;
}

}  // namespace falconer::serve
