// What "format" says of a text, as expressions.
#pragma once

#include <string>

namespace falconer::grammar {

/// Null where it is not supported.
const char* format_pattern(const std::string& format);

}  // namespace falconer::grammar
