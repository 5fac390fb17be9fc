// Numbers that are none: NaN and infinity, found before they are written or computed with.
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/view.h"

namespace falconer {

struct NotFinite {
  int64_t row = 0, col = 0;
  float value = 0;
};

/// The first in order of rows; nothing where all are finite. `values` are f32, bf16, f16, f64 or in blocks, in host
/// memory.
std::optional<NotFinite> first_not_finite(const View& values);

}  // namespace falconer
