// JSON of requests and answers.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace falconer::serve {

using Json = nlohmann::ordered_json;

/// In one line; bytes that are no UTF-8 become U+FFFD.
inline std::string json_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace falconer::serve
