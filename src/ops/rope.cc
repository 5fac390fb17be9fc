#include "ops/rope.h"

#include <cmath>

#include "ops/kernels.h"

namespace falconer {

void rope(Run& run, const Rope& args) {
  FALCONER_CHECK(args.positions.dtype == Dtype::kI32 && args.positions.size() == args.x.rows.rows);
  FALCONER_CHECK(args.table.dtype == Dtype::kF32 && args.table.cols % 2 == 0);
  FALCONER_CHECK(args.table.cols <= args.x.size);
  if (run.dry || args.x.rows.rows == 0) return;
  run.kernels->rope(args);
}

void rope_table(Run& run, const View& table, double base) {
  FALCONER_CHECK(table.dtype == Dtype::kF32 && table.cols % 2 == 0);
  if (run.dry) return;
  if (table.device != nullptr) {
    const Tensor made(table.rows, table.cols, Dtype::kF32);
    rope_table(run, made.view(), base);
    return copy_converted(made.view(), table);
  }
  const int64_t half = table.cols / 2;
  for (int64_t p = 0; p < table.rows; ++p) {
    float* row = table.row<float>(p);
    for (int64_t i = 0; i < half; ++i) {
      // As the reference: every step in f32.
      const float exponent = static_cast<float>(2 * i) / static_cast<float>(table.cols);
      const float frequency = 1.0f / std::pow(static_cast<float>(base), exponent);
      const float angle = static_cast<float>(p) * frequency;
      row[i] = std::cos(angle);
      row[half + i] = std::sin(angle);
    }
  }
}

}  // namespace falconer
