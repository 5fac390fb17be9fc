// Whether a text has a part.
#pragma once

#include <string>

namespace falconer::test {

inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace falconer::test
