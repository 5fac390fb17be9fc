// JSON of requests and answers.
#pragma once

#include <nlohmann/json.hpp>

#include "base/json_text.h"

namespace falconer::serve {

using Json = nlohmann::ordered_json;

}  // namespace falconer::serve
