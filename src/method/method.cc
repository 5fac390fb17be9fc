#include "method/method.h"

namespace falconer {

int64_t Method::trainable_count() const {
  int64_t total = 0;
  for (const Param* param : params_) total += param->size();
  return total;
}

}  // namespace falconer
