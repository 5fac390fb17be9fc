// Text for people, on a terminal or off it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace falconer {

/// The size of stderr's terminal; 80 by 24 where it does not say.
struct Terminal {
  size_t columns = 80, rows = 24;
};
Terminal terminal();

/// "1:02:03", "4:05"
std::string duration_text(double seconds);

/// With '?' for every control character: none of a name may move the cursor or end a line.
std::string without_controls(std::string_view text);

}  // namespace falconer
