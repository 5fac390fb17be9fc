// ASCII letters made small; what else a text holds stays as it is.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace falconer {

inline std::string small_letters(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return small;
}

}  // namespace falconer
