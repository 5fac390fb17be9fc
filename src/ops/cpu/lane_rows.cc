#include "ops/cpu/lane_rows.h"

#include <cstring>

#include "base/threads.h"
#include "ops/cpu/dots.h"
#include "ops/cpu/rounding.h"

namespace falconer::cpu {

RoundedRows::RoundedRows(const View& x, const LaneShape& shape, int64_t bytes, int64_t most)
    : x_(x), shape_(shape), units_(x.cols / kUnitCols), bytes_(bytes), most_(most) {
  const int64_t rows = (x.rows + most_ - 1) / most_ * most_;
  codes_.resize(static_cast<size_t>(rows * units_ * bytes_));
  scales_.resize(static_cast<size_t>(rows * units_));
  starts_.resize(static_cast<size_t>(rows * units_ * shape.groups));
  sums_.resize(starts_.size());
  parallel_for(tiles(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) fill(t);
  });
}

LaneRows RoundedRows::at(int64_t tile) const {
  const auto unit = static_cast<size_t>(first(tile) * units_);
  const size_t group = unit * static_cast<size_t>(shape_.groups);
  return {codes_.data() + unit * static_cast<size_t>(bytes_), scales_.data() + unit,
          starts_.data() + group, sums_.data() + group};
}

void RoundedRows::fill(int64_t tile) {
  const int64_t width = this->width(tile);
  std::vector<float> row(static_cast<size_t>(x_.cols));
  for (int64_t n = 0; n < width; ++n) {
    if (n < rows(tile))
      copy_converted(x_.row_range(first(tile) + n, 1),
                     {row.data(), 1, x_.cols, x_.cols, Dtype::kF32});
    else
      std::fill(row.begin(), row.end(), 0.0f);
    for (int64_t u = 0; u < units_; ++u) fill_unit(row.data() + u * kUnitCols, u, n, width, tile);
  }
}

void RoundedRows::fill_unit(const float* from, int64_t u, int64_t n, int64_t width, int64_t tile) {
  int8_t codes[kUnitCols];
  const float scale = round_group(from, kUnitCols, codes);
  const int64_t place = first(tile) * units_ + u * width + n;  // of the unit, among all
  scales_[static_cast<size_t>(place)] = scale;
  const int64_t values = kUnitCols / shape_.groups;
  for (int64_t g = 0; g < shape_.groups; ++g) {
    int32_t sum = 0;
    for (int64_t i = 0; i < values; ++i) sum += codes[g * values + i];
    const auto at = static_cast<size_t>(first(tile) * units_ * shape_.groups +
                                        (u * shape_.groups + g) * width + n);
    starts_[at] = -shape_.offset * sum;
    sums_[at] = scale * static_cast<float>(sum);
  }
  int8_t* const out = codes_.data() + place * bytes_;
  for (int64_t j = 0; j < kUnitCols; j += 4) put_quad(codes + j, bytes_ / 8, out + j * bytes_ / 32);
}

}  // namespace falconer::cpu
