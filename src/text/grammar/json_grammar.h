// Grammars of JSON.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "text/grammar/rules.h"

namespace falconer::grammar {

/// Any object. Here and below a text may begin with one space or line feed, which some models want.
std::shared_ptr<const Grammar> any_json_object();

}  // namespace falconer::grammar
