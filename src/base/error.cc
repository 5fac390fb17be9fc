#include "base/error.h"

namespace falconer {

void check_failed(const char* condition, const char* file, int line) {
  throw InternalError(fmt::format("{}:{}: internal check failed: {}", file, line, condition));
}

std::string printable(std::string_view text) {
  constexpr size_t kLongest = 160;
  std::string result(text.substr(0, kLongest));
  for (char& c : result)
    if (c < ' ' || c > '~') c = '?';
  return text.size() > kLongest ? result + "..." : result;
}

}  // namespace falconer
