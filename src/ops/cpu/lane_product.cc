#include "ops/cpu/lane_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/lane_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <algorithm>

#include "ops/cpu/half-inl.h"
#include "ops/cpu/lane_matrix.h"
#include "ops/cpu/lane_rows.h"
#include "ops/cpu/vector-inl.h"

#ifndef FALCONER_OPS_CPU_LANE_PRODUCT_ROWS_
#define FALCONER_OPS_CPU_LANE_PRODUCT_ROWS_
namespace falconer::cpu {

using StripSums = void (*)(const std::byte* strip, int64_t units, const uint8_t* table16,
                           const LaneRows& x, float* sums);

/// How whole numbers are multiplied: in pairs of 16 bits; by AVX's instruction for 8 bits, which holds codes of 6 bits;
/// by the dot product instruction (VNNI).
enum class LaneDots { kPairs, kMaddubs, kVnni };

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
constexpr int kMostLaneRows = 1;  // there are no kernels: a matrix is computed with as it lies
#else

// Parts of a strip whose rows fill a vector.
#if HWY_MAX_BYTES >= 64
constexpr int kPartRows = 16, kMostLaneRows = 8;
#elif HWY_MAX_BYTES >= 32
constexpr int kPartRows = 8, kMostLaneRows = 4;
#else
constexpr int kPartRows = 4, kMostLaneRows = 2;
#endif
using PartTag = hn::FixedTag<float, kPartRows>;
using WholeTag = hn::FixedTag<int32_t, kPartRows>;
using ByteTag = hn::FixedTag<uint8_t, 4 * kPartRows>;
using Part32 = hn::Vec<PartTag>;
using Whole32 = hn::Vec<WholeTag>;
using Bytes = hn::Vec<ByteTag>;

HWY_INLINE int32_t word_of(const int8_t* codes) {
  int32_t word;
  std::memcpy(&word, codes, sizeof word);
  return word;
}

namespace pairs {
/// Even and odd bytes as numbers of 16 bits. x has codes 0, 2 and 1, 3 of four side by side.
struct Dot {
  static constexpr int kXBytes = 64;
  static HWY_INLINE Whole32 add(Whole32 sums, Bytes u, const int8_t* x, int j) {
    const hn::Repartition<int16_t, WholeTag> d16;
    const hn::Repartition<uint16_t, WholeTag> u16;
    const auto both = hn::BitCast(u16, u);
    const auto even = hn::BitCast(d16, hn::And(both, hn::Set(u16, 0x00FF)));
    const auto odd = hn::BitCast(d16, hn::ShiftRight<8>(both));
    const auto x_even = hn::BitCast(d16, hn::Set(WholeTag(), word_of(x + 8 * j)));
    const auto x_odd = hn::BitCast(d16, hn::Set(WholeTag(), word_of(x + 8 * j + 4)));
    sums = hn::Add(sums, madd(even, x_even));
    return hn::Add(sums, madd(odd, x_odd));
  }
  template <class V>
  static HWY_INLINE Whole32 madd(V a, V b) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
    return Whole32{_mm512_madd_epi16(a.raw, b.raw)};
#elif HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
    return Whole32{_mm256_madd_epi16(a.raw, b.raw)};
#else
    const WholeTag d;
    const hn::Repartition<int16_t, WholeTag> d16;
    // Products of even and of odd places.
    const auto low = hn::Mul(sign_extended(a, d, d16), sign_extended(b, d, d16));
    return hn::Add(
        low, hn::Mul(hn::ShiftRight<16>(hn::BitCast(d, a)), hn::ShiftRight<16>(hn::BitCast(d, b))));
#endif
  }
  template <class V, class D, class D16>
  static HWY_INLINE Whole32 sign_extended(V a, D d, D16) {
    return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(d, a)));
  }
};
#include "ops/cpu/lane_kernel-inl.h"
}  // namespace pairs

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
namespace maddubs {
struct Dot {
  static constexpr int kXBytes = 32;
  static HWY_INLINE Whole32 add(Whole32 sums, Bytes u, const int8_t* x, int j) {
#if HWY_TARGET <= HWY_AVX3
    const __m512i two = _mm512_maddubs_epi16(u.raw, _mm512_set1_epi32(word_of(x + 4 * j)));
    return Whole32{_mm512_add_epi32(sums.raw, _mm512_madd_epi16(two, _mm512_set1_epi16(1)))};
#else
    const __m256i two = _mm256_maddubs_epi16(u.raw, _mm256_set1_epi32(word_of(x + 4 * j)));
    return Whole32{_mm256_add_epi32(sums.raw, _mm256_madd_epi16(two, _mm256_set1_epi16(1)))};
#endif
  }
};
#include "ops/cpu/lane_kernel-inl.h"
}  // namespace maddubs
#endif
#endif  // HWY_SCALAR

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
#if HWY_TARGET <= HWY_AVX3
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR_AVX3 ",avx512vnni")
#else
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR_AVX2 ",avxvnni")
#endif
namespace falconer::cpu::HWY_NAMESPACE::vnni {
struct Dot {
  static constexpr int kXBytes = 32;
  static HWY_INLINE Whole32 add(Whole32 sums, Bytes u, const int8_t* x, int j) {
#if HWY_TARGET <= HWY_AVX3
    return Whole32{_mm512_dpbusd_epi32(sums.raw, u.raw, _mm512_set1_epi32(word_of(x + 4 * j)))};
#else
    return Whole32{_mm256_dpbusd_avx_epi32(sums.raw, u.raw, _mm256_set1_epi32(word_of(x + 4 * j)))};
#endif
  }
};
#include "ops/cpu/lane_kernel-inl.h"
}  // namespace falconer::cpu::HWY_NAMESPACE::vnni
HWY_POP_ATTRIBUTES
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

int64_t most_lane_rows() { return kMostLaneRows; }

StripSums find_lane_kernel([[maybe_unused]] LaneDots dots, [[maybe_unused]] const LaneShape& shape,
                           [[maybe_unused]] int64_t rows) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  if (dots == LaneDots::kVnni) return vnni::find_strip_sums(shape, rows);
  if (dots == LaneDots::kMaddubs) return maddubs::find_strip_sums(shape, rows);
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
#if HWY_ARCH_X86
#include <cpuid.h>
#endif

#include <atomic>
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

std::atomic<LaneDots>& held_dots() {
  static std::atomic<LaneDots> held = LaneDots::kVnni;
  return held;
}

#if HWY_ARCH_X86
// Compilers that are older than the instruction do not know its name.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}
#endif

// Of the instruction set that kernels are taken of now: a process may be held to less than its CPU has.
LaneDots best_dots() {
#if HWY_ARCH_X86
  const int64_t targets = hwy::SupportedTargets();
  if ((targets & (HWY_AVX3 | HWY_AVX2)) == 0) return LaneDots::kPairs;
  const bool vnni =
      (targets & HWY_AVX3) != 0 ? __builtin_cpu_supports("avx512vnni") : has_avx_vnni();
  return std::min(vnni ? LaneDots::kVnni : LaneDots::kMaddubs, held_dots().load());
#else
  return LaneDots::kPairs;
#endif
}

// Two products of 8 bits and their sum must fit 16.
LaneDots dots_for(const LaneShape& shape) {
  const LaneDots best = best_dots();
  const bool wide = shape.bits == 8 || shape.table != nullptr;
  return best == LaneDots::kMaddubs && wide ? LaneDots::kPairs : best;
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

void multiply_strips(const LinearForward& a, const LaneShape& shape, LaneDots dots,
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
  if (HWY_DYNAMIC_DISPATCH(find_lane_kernel)(LaneDots::kPairs, shape, 1) == nullptr) return 0;
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

std::string_view lane_dots() {
  constexpr std::string_view kNames[] = {"pairs", "maddubs", "vnni"};
  return kNames[static_cast<size_t>(best_dots())];
}

void hold_lane_dots(std::string_view name) {
  held_dots() = name == "pairs"     ? LaneDots::kPairs
                : name == "maddubs" ? LaneDots::kMaddubs
                                    : LaneDots::kVnni;
}

void lane_product(const LinearForward& args) {
  const LaneShape shape = lane_shape(args.w.dtype);
  const LaneDots dots = dots_for(shape);
  const RoundedRows x(args.x, shape, dots == LaneDots::kPairs ? 64 : 32,
                      HWY_DYNAMIC_DISPATCH(most_lane_rows)());
  const int64_t strips = (args.y.cols + kStripRows - 1) / kStripRows;
  parallel_for(
      strips, std::max<int64_t>(1, (1 << 13) / args.x.cols),
      [&](int64_t begin, int64_t end) { multiply_strips(args, shape, dots, x, begin, end); });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
