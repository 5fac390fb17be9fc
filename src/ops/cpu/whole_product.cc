#include "ops/cpu/whole_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/whole_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <algorithm>

#include "ops/cpu/dots-inl.h"
#include "ops/cpu/dots.h"

#ifndef FALCONER_OPS_CPU_WHOLE_PRODUCT_TILE_
#define FALCONER_OPS_CPU_WHOLE_PRODUCT_TILE_
namespace falconer::cpu {

/// Rows of a, or columns of b, that go through the registers together, from some place of the depth on: codes, four of the
/// depth side by side, and scales for each group. Those of b are 128 more, and starts undo that: -128 times the
/// sum of a group's codes of a.
struct WholeRows {
  int8_t* codes;
  float* scales;
  int32_t* starts;
};
struct WholeCols {
  uint8_t* codes;
  float* scales;
};

struct WholeTile {
  WholeRows a;
  WholeCols b;
  int64_t depth;
  float* sums;  // rows `stride` apart
  int64_t stride;
  bool add;  // to sums
};

struct WholeKernel {
  void (*tile)(const WholeTile&) = nullptr;  // null: there is none
  int64_t rows = 1, cols = 1;                // of a tile
  int64_t quad = 4;                          // bytes of four codes of a
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
constexpr int kWholeRows = 12;
#else
constexpr int kWholeRows = 6;
#endif
namespace pairs {
#include "ops/cpu/whole_tile-inl.h"
}  // namespace pairs
#endif
}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
FALCONER_BEGIN_VNNI
namespace falconer::cpu::HWY_NAMESPACE::vnni {
#include "ops/cpu/whole_tile-inl.h"
}  // namespace falconer::cpu::HWY_NAMESPACE::vnni
FALCONER_END_VNNI
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// c's row = or += what was summed.
template <class C>
void put_sums(const float* sums, int64_t n, float scale, const float* bias, bool add, C* c) {
  for_vectors(n, [&](int64_t at, auto access) HWY_ATTR {
    VecF out = hn::Mul(access(sums, at), hn::Set(F32(), scale));
    if (bias != nullptr) out = hn::Add(out, access(bias, at));
    if (add) out = hn::Add(out, access(c, at));
    access.put(out, c, at);
  });
}
void put_f32(const float* sums, int64_t n, float scale, const float* bias, bool add, float* c) {
  put_sums(sums, n, scale, bias, add, c);
}
void put_bf16(const float* sums, int64_t n, float scale, const float* bias, bool add, BF16* c) {
  put_sums(sums, n, scale, bias, add, c);
}

// Of what is multiplied by AVX's instruction for 8 bits two products and their sum do not fit 16.
WholeKernel find_whole_kernel([[maybe_unused]] Dots dots) {
#if HWY_TARGET == HWY_SCALAR
  return {};
#else
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  if (dots == Dots::kVnni)
    return {vnni::whole_tile, kWholeRows, 2 * kPartRows, vnni::Dot::kXBytes / 8};
#endif
  return {pairs::whole_tile, kWholeRows, 2 * kPartRows, pairs::Dot::kXBytes / 8};
#endif
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"
#include "ops/cpu/block_numbers.h"
#include "ops/cpu/rounding.h"
#include "tensor/buffer.h"

namespace falconer::cpu {
namespace {

HWY_EXPORT(find_whole_kernel);
HWY_EXPORT(put_f32);
HWY_EXPORT(put_bf16);

/// Columns and depth of b at one time: its codes stay in the second cache while the rows of a pass by. Multiples of every
/// format's block.
constexpr int64_t kPanel = 256, kDepth = 1024;
/// Rows of a for which b is packed once.
constexpr int64_t kMostRows = 1536;
/// Numbers of a panel, a little apart: rows of a power of two would share few places of the first cache.
constexpr int64_t kNumbersStride = kPanel + 16;
/// How far ahead rows of b are asked for, where they are as long as kDepth and as kPanel.
constexpr int64_t kRowsAhead = 2, kGroupRowsAhead = 8;

int64_t rounded_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

WholeKernel kernel() { return HWY_DYNAMIC_DISPATCH(find_whole_kernel)(best_dots()); }

/// Memory of one thread, kept from call to call.
struct Workplace {
  Buffer store;
  std::byte* take(size_t bytes) {
    if (store.size() < bytes) store = Buffer(bytes);
    return static_cast<std::byte*>(store.data());
  }
};

/// Rows of a in the room that they are given: in tiles, each with its codes for the whole depth.
class PackedRows {
 public:
  PackedRows(const WholeKernel& kernel, int64_t rows, int64_t depth, std::byte* room)
      : kernel_(kernel),
        rows_(rounded_up(rows, kernel.rows)),
        depth_(depth),
        groups_((depth + kWholeGroup - 1) / kWholeGroup),
        codes_(reinterpret_cast<int8_t*>(room)),
        scales_(reinterpret_cast<float*>(room + rows_ * line())),
        starts_(reinterpret_cast<int32_t*>(scales_ + rows_ * groups_)) {}

  int64_t bytes() const { return rows_ * (line() + groups_ * 8); }
  int64_t tiles() const { return rows_ / kernel_.rows; }
  /// From depth k on, which is a multiple of a group.
  WholeRows at(int64_t tile, int64_t k) const {
    const int64_t row = tile * kernel_.rows, group = row * groups_ + k / kWholeGroup * kernel_.rows;
    return {codes_ + row * line() + k / 4 * kernel_.quad * kernel_.rows, scales_ + group,
            starts_ + group};
  }
  void pack(const View& a, int64_t tile);

 private:
  /// Bytes of a row's codes.
  int64_t line() const { return rounded_up(depth_, 16) / 4 * kernel_.quad; }
  void pack_row(const float* numbers, int64_t tile, int64_t r);

  WholeKernel kernel_;
  int64_t rows_, depth_, groups_;
  int8_t* codes_;
  float* scales_;
  int32_t* starts_;
};

void PackedRows::pack(const View& a, int64_t tile) {
  thread_local Workplace place;
  const int64_t padded = rounded_up(depth_, 16);
  auto* const numbers = reinterpret_cast<float*>(place.take(static_cast<size_t>(padded) * 4));
  for (int64_t r = 0; r < kernel_.rows; ++r) {
    const int64_t row = tile * kernel_.rows + r;
    std::fill_n(numbers, padded, 0.0f);
    if (row < a.rows)
      numbers_as_f32(a.row_range(row, 1), {numbers, 1, depth_, depth_, Dtype::kF32});
    pack_row(numbers, tile, r);
  }
}

void PackedRows::pack_row(const float* numbers, int64_t tile, int64_t r) {
  const int64_t quad = kernel_.quad, step = quad * kernel_.rows;
  int8_t codes[kWholeGroup];
  for (int64_t k = 0; k < depth_; k += kWholeGroup) {
    const WholeRows to = at(tile, k);
    const int64_t count = rounded_up(std::min(kWholeGroup, depth_ - k), 16);
    to.scales[r] = round_group(numbers + k, count, codes);
    int32_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += codes[i];
    to.starts[r] = -128 * sum;
    int8_t* out = to.codes + r * quad;
    for (int64_t i = 0; i < std::min(kWholeGroup, depth_ - k); i += 4, out += step)
      put_quad(codes + i, quad, out);
  }
}

/// Reads a row's memory ahead: rows of a panel are short, and far from each other.
void ask_for(const View& row) {
  const auto* at = static_cast<const std::byte*>(row.data);
  const auto bytes = static_cast<int64_t>(bytes_of(row.dtype, row.cols));
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
}

/// A panel's columns, from some place of the depth on, in memory of this thread.
class PackedCols {
 public:
  PackedCols(const WholeKernel& kernel, const Factor& b) : kernel_(kernel), b_(b) {
    const size_t codes = kPanel * kDepth, scales = kPanel * kDepth / kWholeGroup * 4;
    thread_local Workplace place;
    std::byte* at = place.take(codes + scales + kWholeGroup * kNumbersStride * 4);
    codes_ = reinterpret_cast<uint8_t*>(at);
    scales_ = reinterpret_cast<float*>(at + codes);
    numbers_ = reinterpret_cast<float*>(at + codes + scales);
  }

  WholeCols at(int64_t strip, int64_t group) const {
    return {codes_ + (strip * rounded_up(depth_, 4) + group * kWholeGroup) * kernel_.cols,
            scales_ + (strip * (kDepth / kWholeGroup) + group) * kernel_.cols};
  }
  /// Columns n .. n+cols-1 and depth k .. k+depth-1 of b.
  void pack(int64_t n, int64_t cols, int64_t k, int64_t depth) {
    depth_ = depth;
    if (b_.transposed) {
      const View rows = b_.view.row_range(n, cols).col_range(k, depth);
      for (int64_t i = 0; i < rounded_up(cols, kernel_.cols); ++i) {
        if (i + kRowsAhead < cols) ask_for(rows.row_range(i + kRowsAhead, 1));
        pack_column(i < cols ? rows.row_range(i, 1) : View{}, i);
      }
      return;
    }
    for (int64_t g = 0; g * kWholeGroup < depth; ++g) {
      const int64_t rows = std::min(kWholeGroup, depth - g * kWholeGroup);
      pack_group(b_.view.row_range(k + g * kWholeGroup, rows).col_range(n, cols), g);
    }
  }

 private:
  void pack_column(const View& from, int64_t i);
  void pack_group(const View& from, int64_t group);

  WholeKernel kernel_;
  Factor b_;
  int64_t depth_ = 0;
  uint8_t* codes_;
  float *scales_, *numbers_;
};

void PackedCols::pack_column(const View& from, int64_t i) {
  const int64_t strip = i / kernel_.cols, lane = i % kernel_.cols, step = 4 * kernel_.cols;
  std::fill_n(numbers_ + depth_ / 16 * 16, 16, 0.0f);
  if (from) numbers_as_f32(from, {numbers_, 1, depth_, depth_, Dtype::kF32});
  for (int64_t k = 0, g = 0; k < depth_; k += kWholeGroup, ++g) {
    int8_t codes[kWholeGroup] = {};
    const WholeCols to = at(strip, g);
    const int64_t count = std::min(kWholeGroup, depth_ - k);
    to.scales[lane] = from ? round_group(numbers_ + k, rounded_up(count, 16), codes) : 0;
    uint8_t* out = to.codes + 4 * lane;
    for (int64_t q = 0; q < count; q += 4, out += step) {
      uint32_t word;
      std::memcpy(&word, codes + q, sizeof word);
      word ^= 0x80808080u;
      std::memcpy(out, &word, sizeof word);
    }
  }
}

void PackedCols::pack_group(const View& from, int64_t group) {
  const int64_t cols = rounded_up(from.cols, kernel_.cols);
  for (int64_t i = 0; i < from.rows; ++i) {
    if (i + kGroupRowsAhead < from.rows) ask_for(from.row_range(i + kGroupRowsAhead, 1));
    float* const row = numbers_ + i * kNumbersStride;
    numbers_as_f32(from.row_range(i, 1), {row, 1, from.cols, from.cols, Dtype::kF32});
    std::fill(row + from.cols, row + cols, 0.0f);
  }
  for (int64_t j = 0; j < cols; j += kernel_.cols) {
    const WholeCols to = at(j / kernel_.cols, group);
    round_columns(numbers_ + j, from.rows, kernel_.cols, kNumbersStride, to.codes, 4 * kernel_.cols,
                  to.scales);
  }
}

/// What all threads compute with.
struct WholeTask {
  WholeKernel kernel;
  const PackedRows& a;
  const Factor& b;
  const View& c;
  float scale;
  bool add;
  const View& bias;
};

void put_rows(const WholeTask& t, const float* sums, int64_t n, int64_t cols) {
  const float* bias = t.bias ? t.bias.row<float>(0) + n : nullptr;
  for (int64_t m = 0; m < t.c.rows; ++m, sums += kPanel)
    if (t.c.dtype == Dtype::kF32)
      HWY_DYNAMIC_DISPATCH(put_f32)(sums, cols, t.scale, bias, t.add, t.c.row<float>(m) + n);
    else
      HWY_DYNAMIC_DISPATCH(put_bf16)(sums, cols, t.scale, bias, t.add, t.c.row<BF16>(m) + n);
}

/// Columns n .. n+cols-1 of c, which are one thread's.
void multiply_panel(const WholeTask& t, int64_t n, int64_t cols) {
  thread_local Workplace place;
  const int64_t rows = t.a.tiles() * t.kernel.rows, depth = t.b.rows();
  auto* const sums = reinterpret_cast<float*>(place.take(static_cast<size_t>(rows * kPanel) * 4));
  PackedCols packed(t.kernel, t.b);
  for (int64_t k = 0; k < depth; k += kDepth) {
    const int64_t some = std::min(kDepth, depth - k);
    packed.pack(n, cols, k, some);
    for (int64_t tile = 0; tile < t.a.tiles(); ++tile)
      for (int64_t j = 0; j < cols; j += t.kernel.cols)
        t.kernel.tile({.a = t.a.at(tile, k),
                       .b = packed.at(j / t.kernel.cols, 0),
                       .depth = some,
                       .sums = sums + tile * t.kernel.rows * kPanel + j,
                       .stride = kPanel,
                       .add = k > 0});
  }
  put_rows(t, sums, n, cols);
}

/// Rows of a that are packed at one time.
int64_t rows_together(int64_t rows) {
  const int64_t parts = (rows + kMostRows - 1) / kMostRows;
  return parts == 0 ? 0 : (rows + parts - 1) / parts;
}

}  // namespace

int64_t whole_bytes(int64_t rows, int64_t depth) {
  const WholeKernel found = kernel();
  return found.tile == nullptr ? 0 : PackedRows(found, rows_together(rows), depth, nullptr).bytes();
}

void whole_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                   const View& bias, const View& room) {
  FALCONER_CHECK(!a.transposed &&
                 static_cast<int64_t>(room.bytes()) >= whole_bytes(c.rows, a.cols()));
  const WholeKernel found = kernel();
  const int64_t together = rows_together(c.rows);
  for (int64_t m = 0; m < c.rows; m += together) {
    const int64_t rows = std::min(together, c.rows - m);
    PackedRows packed(found, rows, a.cols(), static_cast<std::byte*>(room.data));
    const View from = a.view.row_range(m, rows), to = c.row_range(m, rows);
    parallel_for(packed.tiles(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) packed.pack(from, t);
    });
    const WholeTask task{found, packed, b, to, scale, add, bias};
    parallel_for((c.cols + kPanel - 1) / kPanel, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        multiply_panel(task, i * kPanel, std::min(kPanel, c.cols - i * kPanel));
    });
  }
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
