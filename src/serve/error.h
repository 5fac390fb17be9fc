// What is answered where a request cannot be: OpenAI's objects, with the status of HTTP.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "serve/http/exchange.h"

namespace falconer::serve {

/// A request that is answered with an error. what() is for the client's user.
class RequestError : public Error {
 public:
  /// `param`: the field that is wrong; empty: none. `code`: a word for programs.
  RequestError(int status, const std::string& message, std::string param = {},
               std::string code = {})
      : Error(message), status_(status), param_(std::move(param)), code_(std::move(code)) {}

  int status() const { return status_; }
  const std::string& param() const { return param_; }
  const std::string& code() const { return code_; }
  HttpFields fields = {};  // that the answer gets besides

 private:
  int status_ = 400;
  std::string param_, code_;
};

/// {"error": {"message", "type", "param", "code"}}.
std::string error_text(const RequestError& error);
HttpResponse error_response(const RequestError& error);

/// No room now; the client may try again soon.
RequestError busy(int status, const std::string& message, const std::string& code);

}  // namespace falconer::serve
