#include "ops/cpu/small_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/small_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/aligned_allocator.h>
#include <hwy/cache_control.h>

#include <utility>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Two vectors of W, as f32. Of bf16 the even and the odd elements, which costs one shift and one
/// mask; x lies in the same order.
struct Pair {
  VecF first, second;
};
HWY_INLINE Pair load_pair(const float* w) { return {load(w), load(w + lanes())}; }
HWY_INLINE Pair load_pair(const BF16* w) {
#if HWY_TARGET == HWY_SCALAR
  return {load(w), load(w + 1)};
#else
  const hn::Repartition<uint16_t, F32> d16;
  const hn::RebindToUnsigned<F32> d32;
  const auto bits = hn::BitCast(d32, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(w)));
  return {hn::BitCast(F32(), hn::ShiftLeft<16>(bits)),
          hn::BitCast(F32(), hn::And(bits, hn::Set(d32, 0xFFFF0000u)))};
#endif
}

/// Puts the rows of x into `packed` as f32: for each two vectors of K the rows one behind the
/// other, so that they are read as one stream; inside in the order of load_pair, padded with zeros.
void pack_rows(const View& x, int64_t padded, float* packed) {
  const int64_t block = 2 * lanes();
  for (int64_t first = 0; first < padded; first += block)
    for (int64_t n = 0; n < x.rows; ++n)
      for (int64_t i = 0; i < block; ++i, ++packed) {
        const bool pairs = x.dtype == Dtype::kBF16 && block > 2;
        const int64_t inside = !pairs ? i : i < lanes() ? 2 * i : 2 * (i - lanes()) + 1;
        const int64_t k = first + inside;
        *packed = 0;
        if (k >= x.cols) continue;
        *packed =
            x.dtype == Dtype::kF32 ? x.row<float>(n)[k] : static_cast<float>(x.row<BF16>(n)[k]);
      }
}

/// Bytes ahead of the row that are asked for: more of memory's latency is hidden.
constexpr int64_t kAhead = 512;

/// N rows of x with R rows of W: sums[r * N + n].
template <int N, int R, class W>
HWY_INLINE void dot_rows(const float* packed, const W* const* w, int64_t cols, float* sums) {
  const F32 d;
  VecF acc[R * N];
  for (auto& sum : acc) sum = hn::Zero(d);
  const int64_t block = 2 * lanes(), whole = cols / block * block;
  // Unrolled by hand of a pragma: else GCC leaves the sums of wide tiles in memory.
  const auto step = [&](int64_t at, const Pair* pairs) HWY_ATTR {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const float* x = packed + at * N + n * block;
      const VecF x0 = hn::Load(d, x), x1 = hn::Load(d, x + lanes());
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        acc[r * N + n] =
            hn::MulAdd(pairs[r].second, x1, hn::MulAdd(pairs[r].first, x0, acc[r * N + n]));
    }
  };
  Pair pairs[R];
  for (int64_t at = 0; at < whole; at += block) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      hwy::Prefetch(reinterpret_cast<const std::byte*>(w[r] + at) + kAhead);
      pairs[r] = load_pair(w[r] + at);
    }
    step(at, pairs);
  }
  if (whole < cols) {
    W padded_w[2 * kMostLanes];
    for (int r = 0; r < R; ++r) {
      std::memset(static_cast<void*>(padded_w), 0, sizeof padded_w);
      std::memcpy(static_cast<void*>(padded_w), w[r] + whole,
                  static_cast<size_t>(cols - whole) * sizeof(W));
      pairs[r] = load_pair(padded_w);
    }
    step(whole, pairs);
  }
  for (int i = 0; i < R * N; ++i) sums[i] = hn::GetLane(hn::SumOfLanes(d, acc[i]));
}

/// Rows of W that are read side by side with N rows of x. For one row the more streams the more of
/// the bandwidth; for many the sums (R N), the pairs (2 R) and x (2) must fit the registers, of
/// which AVX512 has 32 and the others 16.
template <int N>
constexpr int rows_side_by_side() {
#if HWY_TARGET <= HWY_AVX3
  constexpr int kRows[] = {8, 6, 5, 4, 4, 3, 3, 3};
#else
  constexpr int kRows[] = {4, 3, 2, 2, 1, 1, 1, 1};
#endif
  return kRows[N - 1];
}

template <class Y>
void finish(const LinearForward& a, int64_t n, int64_t m, float sum) {
  float out = a.scale * sum;
  if (a.b) out += a.b.row<float>(0)[m];
  Y& y = a.y.row<Y>(n)[m];
  y = a.add ? Y(static_cast<float>(y) + out) : Y(out);
}

template <int N, class W>
void columns(const LinearForward& a, const float* packed, int64_t begin, int64_t end) {
  constexpr int R = rows_side_by_side<N>();
  for (int64_t m = begin; m < end; m += R) {
    const W* w[R];
    for (int r = 0; r < R; ++r) w[r] = a.w.row<W>(std::min(m + r, end - 1));
    float sums[R * N];
    dot_rows<N, R, W>(packed, w, a.w.cols, sums);
    for (int r = 0; r < R && m + r < end; ++r)
      for (int n = 0; n < N; ++n)
        with_type(a.y.dtype, [&]<class Y>(Type<Y>) { finish<Y>(a, n, m + r, sums[r * N + n]); });
  }
}

/// Columns [begin, end) of y.
void small_product_columns(const LinearForward& a, const float* packed, int64_t begin,
                           int64_t end) {
  with_type(a.w.dtype, [&]<class W>(Type<W>) {
    [&]<int... N>(std::integer_sequence<int, N...>) {
      ((a.x.rows == N + 1 ? columns<N + 1, W>(a, packed, begin, end) : void()), ...);
    }
    (std::make_integer_sequence<int, kSmallRows>());
  });
}

int64_t pair_width() { return 2 * lanes(); }

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"

namespace falconer::cpu {

HWY_EXPORT(pack_rows);
HWY_EXPORT(small_product_columns);
HWY_EXPORT(pair_width);

void small_product(const LinearForward& args) {
  FALCONER_CHECK(args.x.rows <= kSmallRows && args.x.dtype == args.w.dtype);
  thread_local hwy::AlignedFreeUniquePtr<float[]> store;
  thread_local size_t size = 0;
  const int64_t width = HWY_DYNAMIC_DISPATCH(pair_width)();
  const int64_t padded = (args.x.cols + width - 1) / width * width;
  if (size < static_cast<size_t>(args.x.rows * padded)) {
    size = static_cast<size_t>(args.x.rows * padded);
    store = hwy::AllocateAligned<float>(size);
  }
  HWY_DYNAMIC_DISPATCH(pack_rows)(args.x, padded, store.get());
  const float* packed = store.get();  // the threads share it
  parallel_for(args.y.cols, std::max<int64_t>(1, (1 << 15) / args.x.cols),
               [&](int64_t begin, int64_t end) {
                 HWY_DYNAMIC_DISPATCH(small_product_columns)(args, packed, begin, end);
               });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
