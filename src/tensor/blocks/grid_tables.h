// The tables of grids.h: ggml's choice of rows, by which the formats are defined.
#pragma once

#include <array>
#include <cstdint>

namespace falconer {

/// Rows of values as they are multiplied: IQ1's are 8 times theirs.
struct GridTables {
  std::array<int8_t, 256 * 8> iq2_xxs;
  std::array<int8_t, 512 * 8> iq2_xs;
  std::array<int8_t, 1024 * 8> iq2_s;
  std::array<int8_t, 256 * 4> iq3_xxs;
  std::array<int8_t, 512 * 4> iq3_s;
  std::array<int8_t, 2048 * 8> iq1;
};

/// Unpacked at the first call.
const GridTables& grid_tables();

}  // namespace falconer
