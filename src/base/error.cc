#include "base/error.h"

namespace falconer {

void check_failed(const char* condition, const char* file, int line) {
  throw InternalError(fmt::format("{}:{}: internal check failed: {}", file, line, condition));
}

}  // namespace falconer
