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

std::vector<float> rope_periods(int64_t dims, double base) {
  std::vector<float> periods(static_cast<size_t>(dims / 2));
  for (size_t i = 0; i < periods.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dims);
    periods[i] = std::pow(static_cast<float>(base), exponent);
  }
  return periods;
}

void rope_table(Run& run, const View& table, std::span<const float> frequencies, float factor) {
  FALCONER_CHECK(table.dtype == Dtype::kF32 && table.cols % 2 == 0);
  FALCONER_CHECK(static_cast<int64_t>(frequencies.size()) == table.cols / 2);
  if (run.dry) return;
  if (table.device != nullptr) {
    const Tensor made(table.rows, table.cols, Dtype::kF32);
    rope_table(run, made.view(), frequencies, factor);
    return copy_converted(made.view(), table);
  }
  const int64_t half = table.cols / 2;
  for (int64_t p = 0; p < table.rows; ++p) {
    float* row = table.row<float>(p);
    for (int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(p) * frequencies[static_cast<size_t>(i)];
      row[i] = std::cos(angle) * factor;
      row[half + i] = std::sin(angle) * factor;
    }
  }
}

void rope_table(Run& run, const View& table, double base) {
  FALCONER_CHECK(table.cols % 2 == 0);
  std::vector<float> frequencies = rope_periods(table.cols, base);
  for (float& f : frequencies) f = 1.0f / f;
  rope_table(run, table, frequencies);
}

}  // namespace falconer
