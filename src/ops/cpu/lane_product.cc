#include "ops/cpu/lane_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/lane_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <algorithm>

#include "ops/cpu/dots-inl.h"
#include "ops/cpu/dots.h"
#include "ops/cpu/half-inl.h"
#include "ops/cpu/lane_matrix.h"
#include "ops/cpu/lane_rows.h"

#ifndef FALCONER_OPS_CPU_LANE_PRODUCT_ROWS_
#define FALCONER_OPS_CPU_LANE_PRODUCT_ROWS_
namespace falconer::cpu {

using StripSums = void (*)(const std::byte* strip, int64_t units, const uint8_t* table16,
                           const LaneRows& x, float* sums);

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
constexpr int kMostLaneRows = 1;  // there are no kernels: a matrix is computed with as it lies
#else

constexpr int kMostLaneRows = kPartRows / 2;

namespace pairs {
#include "ops/cpu/lane_kernel-inl.h"
}  // namespace pairs
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
namespace maddubs {
#include "ops/cpu/lane_kernel-inl.h"
}  // namespace maddubs
#endif
#endif  // HWY_SCALAR

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
FALCONER_BEGIN_VNNI
namespace falconer::cpu::HWY_NAMESPACE::vnni {
#include "ops/cpu/lane_kernel-inl.h"
}  // namespace falconer::cpu::HWY_NAMESPACE::vnni
FALCONER_END_VNNI
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

int64_t most_lane_rows() { return kMostLaneRows; }

StripSums find_lane_kernel([[maybe_unused]] Dots dots, [[maybe_unused]] const LaneShape& shape,
                           [[maybe_unused]] int64_t rows) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  if (dots == Dots::kVnni) return vnni::find_strip_sums(shape, rows);
  if (dots == Dots::kMaddubs) return maddubs::find_strip_sums(shape, rows);
#endif
#if HWY_TARGET == HWY_SCALAR
  return nullptr;
#else
  return pairs::find_strip_sums(shape, rows);
#endif
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>
#include <vector>

#include "base/nearest.h"
#include "base/threads.h"
#include "tensor/blocks/format.h"

namespace falconer::cpu {
namespace {

HWY_EXPORT(most_lane_rows);
HWY_EXPORT(find_lane_kernel);

/// Strips between which tiles of x go round, and stay near: some hundred kilobytes.
constexpr int64_t kStripsTogether = 8;

// Two products of 8 bits and their sum must fit 16.
Dots dots_for(const LaneShape& shape) {
  const Dots best = best_dots();
  const bool wide = shape.bits == 8 || shape.table != nullptr;
  return best == Dots::kMaddubs && wide ? Dots::kPairs : best;
}

/// A format's table in steps of 1/127 of its largest value, plus 128.
void steps_of_table(const float* table, uint8_t* steps) {
  const float most = largest_in_table(table);
  for (int i = 0; i < 16; ++i)
    steps[i] = static_cast<uint8_t>(128 + std::lround(table[i] * 127 / most));
}

template <class Y>
void put_strip(const LinearForward& a, int64_t n, int64_t strip, const float* factors,
               const float* sums) {
  const int64_t m0 = strip * kStripRows, rows = std::min(kStripRows, a.y.cols - m0);
  Y* y = a.y.row<Y>(n) + m0;
  const float* bias = a.b ? a.b.row<float>(0) + m0 : nullptr;
  for (int64_t r = 0; r < rows; ++r) {
    float out = a.scale * (factors[r] * sums[r]);
    if (bias != nullptr) out += bias[r];
    y[r] = a.add ? Y(static_cast<float>(y[r]) + out) : Y(out);
  }
}

void multiply_strips(const LinearForward& a, const LaneShape& shape, Dots dots,
                     const RoundedRows& x, int64_t begin, int64_t end) {
  const int64_t units = a.x.cols / kUnitCols, bytes = shape.strip_bytes(a.x.cols);
  uint8_t table[16] = {};
  if (shape.table != nullptr) steps_of_table(shape.table, table);
  float factors[kStripRows], sums[8 * kStripRows];
  for (int64_t some = begin; some < end; some += kStripsTogether)
    for (int64_t t = 0; t < x.tiles(); ++t) {
      const StripSums multiply = HWY_DYNAMIC_DISPATCH(find_lane_kernel)(dots, shape, x.width(t));
      for (int64_t s = some; s < std::min(end, some + kStripsTogether); ++s) {
        const auto* strip = static_cast<const std::byte*>(a.lanes.data) + s * bytes;
        multiply(strip, units, table, x.at(t), sums);
        std::memcpy(factors, strip, sizeof factors);
        for (int64_t n = 0; n < x.rows(t); ++n)
          if (a.y.dtype == Dtype::kF32)
            put_strip<float>(a, x.first(t) + n, s, factors, sums + n * kStripRows);
          else
            put_strip<BF16>(a, x.first(t) + n, s, factors, sums + n * kStripRows);
      }
    }
}

}  // namespace

int64_t lane_bytes(Dtype dtype, int64_t rows, int64_t cols) {
  if (!is_blocks(dtype)) return 0;
  const LaneShape shape = lane_shape(dtype);
  if (HWY_DYNAMIC_DISPATCH(find_lane_kernel)(Dots::kPairs, shape, 1) == nullptr) return 0;
  return (rows + kStripRows - 1) / kStripRows * shape.strip_bytes(cols);
}

void pack_lanes(const View& w, const View& lanes) {
  FALCONER_CHECK(static_cast<int64_t>(lanes.bytes()) == lane_bytes(w.dtype, w.rows, w.cols));
  const int64_t bytes = lane_shape(w.dtype).strip_bytes(w.cols);
  parallel_for((w.rows + kStripRows - 1) / kStripRows, std::max<int64_t>(1, (1 << 12) / w.cols),
               [&](int64_t begin, int64_t end) {
                 pack_strips(w, begin, end, static_cast<std::byte*>(lanes.data) + begin * bytes);
               });
}

void lane_product(const LinearForward& args) {
  const LaneShape shape = lane_shape(args.w.dtype);
  const Dots dots = dots_for(shape);
  const RoundedRows x(args.x, shape, dots == Dots::kPairs ? 64 : 32,
                      HWY_DYNAMIC_DISPATCH(most_lane_rows)());
  const int64_t strips = (args.y.cols + kStripRows - 1) / kStripRows;
  parallel_for(
      strips, std::max<int64_t>(1, (1 << 13) / args.x.cols),
      [&](int64_t begin, int64_t end) { multiply_strips(args, shape, dots, x, begin, end); });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
