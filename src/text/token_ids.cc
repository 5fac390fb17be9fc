#include "text/token_ids.h"

#include "base/error.h"

namespace falconer {

void check_token_ids(std::span<const int32_t> ids, int64_t vocab, const char* what, bool of_usage) {
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab)
      throw Error(fmt::format("{} has the token id {}, expected 0 to {}", what, id, vocab - 1),
                  of_usage ? kExitUsage : kExitFailure);
}

}  // namespace falconer
