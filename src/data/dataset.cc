#include "data/dataset.h"

namespace falconer {

int64_t Row::targets() const {
  int64_t count = 0;
  for (size_t i = 1; i < labels.size(); ++i) count += labels[i] != kIgnoredLabel;
  return count;
}

}  // namespace falconer
