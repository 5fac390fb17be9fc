// A text as a template's argument.
#pragma once

#include <algorithm>
#include <cstddef>

namespace falconer {

template <size_t N>
struct Literal {
  char text[N];
  constexpr Literal(const char (&from)[N]) { std::copy_n(from, N, text); }  // NOLINT: as a text
};

}  // namespace falconer
