#include "ops/cpu/small_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/small_product.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <vector>

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

/// Puts the rows of x into `packed` as f32, in the order of load_pair, padded with zeros.
void pack_rows(const View& x, int64_t padded, float* packed) {
  const int64_t block = 2 * lanes();
  for (int64_t n = 0; n < x.rows; ++n)
    for (int64_t k = 0; k < padded; ++k) {
      float& to = packed[n * padded + k];
      const int64_t first = k / block * block, inside = k - first;
      if (x.dtype == Dtype::kF32) {
        to = k < x.cols ? x.row<float>(n)[k] : 0.0f;
        continue;
      }
      const int64_t from = first + (inside < lanes() ? 2 * inside : 2 * (inside - lanes()) + 1);
      to = from < x.cols ? static_cast<float>(x.row<BF16>(n)[from]) : 0.0f;
    }
}

/// N rows of x with R rows of W: sums[r * N + n].
template <int N, int R, class W>
HWY_INLINE void dot_rows(const float* packed, int64_t padded, const W* const* w, int64_t cols,
                         float* sums) {
  const F32 d;
  VecF acc[R * N];
  for (auto& sum : acc) sum = hn::Zero(d);
  const int64_t block = 2 * lanes(), whole = cols / block * block;
  const auto step = [&](int64_t at, const Pair* pairs) HWY_ATTR {
    for (int n = 0; n < N; ++n) {
      const VecF x0 = load(packed + n * padded + at), x1 = load(packed + n * padded + at + lanes());
      for (int r = 0; r < R; ++r)
        acc[r * N + n] =
            hn::MulAdd(pairs[r].second, x1, hn::MulAdd(pairs[r].first, x0, acc[r * N + n]));
    }
  };
  Pair pairs[R];
  for (int64_t at = 0; at < whole; at += block) {
    for (int r = 0; r < R; ++r) pairs[r] = load_pair(w[r] + at);
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

template <class Y>
void finish(const LinearForward& a, int64_t n, int64_t m, float sum) {
  float out = a.scale * sum;
  if (a.b) out += a.b.row<float>(0)[m];
  Y& y = a.y.row<Y>(n)[m];
  y = a.add ? Y(static_cast<float>(y) + out) : Y(out);
}

template <int N, int R, class W>
void columns(const LinearForward& a, const float* packed, int64_t padded, int64_t begin,
             int64_t end) {
  for (int64_t m = begin; m < end; m += R) {
    const W* w[R];
    for (int r = 0; r < R; ++r) w[r] = a.w.row<W>(std::min(m + r, end - 1));
    float sums[R * N];
    dot_rows<N, R, W>(packed, padded, w, a.w.cols, sums);
    for (int r = 0; r < R && m + r < end; ++r)
      for (int n = 0; n < N; ++n)
        with_type(a.y.dtype, [&]<class Y>(Type<Y>) { finish<Y>(a, n, m + r, sums[r * N + n]); });
  }
}

/// Columns [begin, end) of y.
void small_product_columns(const LinearForward& a, const float* packed, int64_t padded,
                           int64_t begin, int64_t end) {
  with_type(a.w.dtype, [&]<class W>(Type<W>) {
    switch (a.x.rows) {
      case 1:
        return columns<1, 4, W>(a, packed, padded, begin, end);
      case 2:
        return columns<2, 4, W>(a, packed, padded, begin, end);
      case 3:
        return columns<3, 2, W>(a, packed, padded, begin, end);
      case 4:
        return columns<4, 2, W>(a, packed, padded, begin, end);
      case 5:
        return columns<5, 2, W>(a, packed, padded, begin, end);
      case 6:
        return columns<6, 2, W>(a, packed, padded, begin, end);
      case 7:
        return columns<7, 1, W>(a, packed, padded, begin, end);
      default:
        return columns<8, 1, W>(a, packed, padded, begin, end);
    }
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
  thread_local std::vector<float> store;
  const int64_t width = HWY_DYNAMIC_DISPATCH(pair_width)();
  const int64_t padded = (args.x.cols + width - 1) / width * width;
  store.resize(static_cast<size_t>(args.x.rows * padded));
  HWY_DYNAMIC_DISPATCH(pack_rows)(args.x, padded, store.data());
  const float* packed = store.data();  // the threads share it
  parallel_for(args.y.cols, std::max<int64_t>(1, (1 << 15) / args.x.cols),
               [&](int64_t begin, int64_t end) {
                 HWY_DYNAMIC_DISPATCH(small_product_columns)(args, packed, padded, begin, end);
               });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
