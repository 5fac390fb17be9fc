#include "ops/cpu/lane_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/lane_rows.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// 32 numbers as whole ones of 8 bits: their scale. Where they are not finite, neither is the scale.
float round_unit(const float* from, int8_t* codes) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  VecF most = hn::Zero(d), all = hn::Zero(d);
  for (int64_t i = 0; i < kUnitCols; i += lanes()) {
    const VecF x = load(from + i);
    most = hn::Max(most, hn::Abs(x));
    all = hn::Add(all, hn::Mul(x, hn::Zero(d)));  // NaN, where one is not finite
  }
  const float broken = hn::GetLane(hn::SumOfLanes(d, all));
  const float largest = hn::GetLane(hn::MaxOfLanes(d, most));
  if (largest == 0 || broken != 0) {
    std::memset(codes, 0, kUnitCols);
    return broken != 0 ? broken : 0;
  }
  const VecF inverse = hn::Set(d, 127 / largest);
  HWY_ALIGN int32_t whole[kUnitCols];
  for (int64_t i = 0; i < kUnitCols; i += lanes())
    hn::Store(hn::NearestInt(hn::Mul(load(from + i), inverse)), di, whole + i);
  for (int64_t i = 0; i < kUnitCols; ++i) codes[i] = static_cast<int8_t>(whole[i]);
  return largest / 127;
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"

namespace falconer::cpu {
namespace {

HWY_EXPORT(round_unit);

}  // namespace

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
  const float scale = HWY_DYNAMIC_DISPATCH(round_unit)(from, codes);
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
  if (bytes_ == kUnitCols) {
    std::memcpy(out, codes, sizeof codes);
    return;
  }
  for (int64_t j = 0; j < kUnitCols; j += 4) {
    const int16_t pairs[4] = {codes[j], codes[j + 2], codes[j + 1], codes[j + 3]};
    std::memcpy(out + 2 * j, pairs, sizeof pairs);
  }
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
