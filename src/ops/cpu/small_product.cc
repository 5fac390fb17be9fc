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

#include <algorithm>
#include <utility>

#include "ops/cpu/half-inl.h"
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Half of a step over K, which is two vectors, as f32. Of bf16 the first half are the even and the
/// second the odd elements, which costs one shift or one mask; x lies in the same order.
template <int kHalf>
HWY_INLINE VecF load_half(const float* w) {
  return load(w + kHalf * lanes());
}
template <int kHalf>
HWY_INLINE VecF load_half(const BF16* w) {
#if HWY_TARGET == HWY_SCALAR
  return load(w + kHalf);
#else
  const hn::Repartition<uint16_t, F32> d16;
  const hn::RebindToUnsigned<F32> d32;
  const auto bits = hn::BitCast(d32, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(w)));
  if constexpr (kHalf == 0) return hn::BitCast(F32(), hn::ShiftLeft<16>(bits));
  return hn::BitCast(F32(), hn::And(bits, hn::Set(d32, 0xFFFF0000u)));
#endif
}

template <int kHalf>
HWY_INLINE VecF load_half(const F16* w) {
  return load(w + kHalf * lanes());
}

/// What one step over K reads.
HWY_INLINE int64_t step_width() { return 2 * lanes(); }

/// The last elements of a row, fewer than a step, with zeros behind them.
template <class T>
struct LastStep {
  T values[2 * kMostLanes];
  LastStep(const T* from, int64_t count) {
    std::memset(static_cast<void*>(values), 0, sizeof values);
    std::memcpy(static_cast<void*>(values), from, static_cast<size_t>(count) * sizeof(T));
  }
};

namespace widened {

using X = float;

/// One step of a row of x, in the order in which load_half reads a row of W.
HWY_INLINE void put_step(const float* from, [[maybe_unused]] bool alternate, float* to) {
  VecF first = load(from), second = load(from + lanes());
#if HWY_TARGET != HWY_SCALAR
  if (alternate) {
    const VecF even = hn::ConcatEven(F32(), second, first);
    second = hn::ConcatOdd(F32(), second, first);
    first = even;
  }
#endif
  store(first, to);
  store(second, to + lanes());
}
HWY_INLINE void put_step(const BF16* from, bool alternate, float* to) {
  store(alternate ? load_half<0>(from) : load(from), to);
  store(alternate ? load_half<1>(from) : load(from + lanes()), to + lanes());
}

/// sums(r, n) += half a step of N rows of x with R rows of W.
template <int kHalf, int N, int R, class W>
HWY_INLINE void half_step(const float* x, const W* const* w, int64_t at, VecF* sums) {
  VecF rows[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) rows[r] = load_half<kHalf>(w[r] + at);
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    const VecF xn = hn::Load(F32(), x + n * step_width() + kHalf * lanes());
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r * N + n] = hn::MulAdd(rows[r], xn, sums[r * N + n]);
  }
}

template <int N, int R, class W>
HWY_INLINE void add_step(const X* x, const W* const* w, int64_t at, VecF* sums) {
  half_step<0, N, R>(x, w, at, sums);
  half_step<1, N, R>(x, w, at, sums);
}

#define FALCONER_SMALL_ATTR HWY_ATTR
#include "ops/cpu/small_kernel-inl.h"
#undef FALCONER_SMALL_ATTR

}  // namespace widened

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// Products of pairs of bf16 as they are, where the CPU has them: half the bytes of x, twice the products.
#if HWY_TARGET == HWY_AVX3 && HWY_ARCH_X86
#define FALCONER_BF16_PAIRS 1
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR_AVX3 ",avx512bf16")
namespace falconer::cpu::HWY_NAMESPACE::pairs {

using X = BF16;

template <class T>
HWY_INLINE void put_step(const T* from, bool, X* to) {
  for (int64_t i = 0; i < step_width(); ++i) to[i] = X(static_cast<float>(from[i]));
}
HWY_INLINE void put_step(const BF16* from, bool, X* to) {
  _mm512_storeu_si512(to, _mm512_loadu_si512(from));
}

template <int N, int R>
HWY_INLINE void add_step(const X* x, const BF16* const* w, int64_t at, VecF* sums) {
  __m512bh rows[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) rows[r] = (__m512bh)_mm512_loadu_si512(w[r] + at);
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    const auto xn = (__m512bh)_mm512_loadu_si512(x + n * step_width());
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      sums[r * N + n] = VecF{_mm512_dpbf16_ps(sums[r * N + n].raw, rows[r], xn)};
  }
}

#define FALCONER_SMALL_ATTR __attribute__((target(HWY_TARGET_STR_AVX3 ",avx512bf16")))
#include "ops/cpu/small_kernel-inl.h"
#undef FALCONER_SMALL_ATTR

}  // namespace falconer::cpu::HWY_NAMESPACE::pairs
HWY_POP_ATTRIBUTES
#else
#define FALCONER_BF16_PAIRS 0
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Packs the rows of x, each to `padded` numbers; `pairs`: as they are multiplied in pairs.
void pack_small([[maybe_unused]] bool pairs, const View& x, Dtype w, int64_t padded,
                std::byte* packed) {
#if FALCONER_BF16_PAIRS
  if (pairs) return pairs::pack_parts(x, w, padded, reinterpret_cast<BF16*>(packed));
#endif
  widened::pack_parts(x, w, padded, reinterpret_cast<float*>(packed));
}

/// Columns [begin, end) of y.
void small_product_columns([[maybe_unused]] bool pairs, const LinearForward& a,
                           const std::byte* packed, int64_t padded, int64_t begin, int64_t end) {
#if FALCONER_BF16_PAIRS
  if (pairs)
    return pairs::columns<BF16>(a, reinterpret_cast<const BF16*>(packed), padded, begin, end);
#endif
  with_weight_type(a.w.dtype, [&]<class W>(Type<W>) {
    widened::columns<W>(a, reinterpret_cast<const float*>(packed), padded, begin, end);
  });
}

#undef FALCONER_BF16_PAIRS

int64_t width_of_step() { return step_width(); }

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"
#include "ops/cpu/onednn.h"

namespace falconer::cpu {

HWY_EXPORT(pack_small);
HWY_EXPORT(small_product_columns);
HWY_EXPORT(width_of_step);

namespace {

// Where oneDNN multiplies in pairs too: which instructions it may use it was told.
bool multiplies_pairs(const LinearForward& a) {
#if HWY_ARCH_X86
  static const bool here = onednn::uses(onednn::Isa::kAvx512Bf16);
  return here && (hwy::SupportedTargets() & HWY_AVX3) != 0 && a.x.dtype == Dtype::kBF16 &&
         a.w.dtype == Dtype::kBF16;
#else
  return false;
#endif
}

}  // namespace

void small_product(const LinearForward& args) {
  FALCONER_CHECK(args.x.rows <= kSmallRows);
  thread_local hwy::AlignedFreeUniquePtr<std::byte[]> store;
  thread_local size_t size = 0;
  const bool pairs = multiplies_pairs(args);
  const int64_t width = HWY_DYNAMIC_DISPATCH(width_of_step)();
  const int64_t padded = (args.x.cols + width - 1) / width * width;
  const size_t needed = bytes_of(pairs ? Dtype::kBF16 : Dtype::kF32, args.x.rows * padded);
  if (size < needed) {
    size = needed;
    store = hwy::AllocateAligned<std::byte>(size);
  }
  HWY_DYNAMIC_DISPATCH(pack_small)(pairs, args.x, args.w.dtype, padded, store.get());
  const std::byte* packed = store.get();  // the threads share it
  parallel_for(args.y.cols, std::max<int64_t>(1, (1 << 16) / args.x.cols),
               [&](int64_t begin, int64_t end) {
                 HWY_DYNAMIC_DISPATCH(small_product_columns)
                 (pairs, args, packed, padded, begin, end);
               });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
