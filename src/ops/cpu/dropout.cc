#include "ops/cpu/dropout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/dropout.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Words of the stream that are made before they are used: they stay in the first cache.
constexpr int64_t kWords = 1024;
/// Words past the wanted ones that the last vector of blocks may write.
constexpr int64_t kSlack = 4 * HWY_MAX_BYTES / 8;

/// Blocks first .. first+count-1 of the stream, and perhaps some more: count is at most kWords / 4.
void random_blocks(const RandomStream& stream, uint64_t first, int64_t count, uint32_t* words) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t i = 0; i < count; ++i, words += 4) {
    const PhiloxBlock block = stream.block(first + static_cast<uint64_t>(i));
    std::memcpy(words, block.data(), sizeof block);
  }
#else
  // One block in each 64-bit lane. Only the lower half of a lane means anything: that is all that
  // MulEven reads.
  const hn::ScalableTag<uint64_t> d;
  const hn::Repartition<uint32_t, decltype(d)> d32;
  const auto multiply = [&](auto a, uint32_t b)
                            HWY_ATTR { return hn::MulEven(hn::BitCast(d32, a), hn::Set(d32, b)); };
  const int64_t step = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < count; i += step, words += 4 * step) {
    const auto index = hn::Iota(d, first + static_cast<uint64_t>(i));
    const PhiloxBlock start = stream.counter(0);
    auto c0 = index, c1 = hn::ShiftRight<32>(index);
    auto c2 = hn::Set(d, start[2]), c3 = hn::Set(d, start[3]);
    uint32_t key0 = stream.key()[0], key1 = stream.key()[1];
    for (int round = 0; round < 10; ++round) {
      const auto a = multiply(c0, 0xD2511F53u), b = multiply(c2, 0xCD9E8D57u);
      c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(b), c1), hn::Set(d, key0));
      c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(a), c3), hn::Set(d, key1));
      c1 = b;
      c3 = a;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    const auto low = hn::Set(d, 0xFFFFFFFFu);
    const auto front = hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c1));
    const auto back = hn::Or(hn::And(c2, low), hn::ShiftLeft<32>(c3));
    hn::StoreInterleaved2(front, back, d, reinterpret_cast<uint64_t*>(words));
  }
#endif
}

/// n elements, whose words are given.
template <class A>
void dropout_run(const A* x, A* y, const uint32_t* words, float p, float scale, bool add,
                 int64_t n) {
  const F32 d;
  const hn::RebindToUnsigned<F32> du;
  const hn::RebindToSigned<F32> di;
  const VecF unit = hn::Set(d, 0x1p-24f), limit = hn::Set(d, p), factor = hn::Set(d, scale);
  for_vectors(n, [&](int64_t at, auto access) HWY_ATTR {
    // Past n there are still words to read, if not the right ones.
    const auto word = hn::ShiftRight<8>(hn::LoadU(du, words + at));
    const VecF uniform = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, word)), unit);
    const VecF kept = hn::IfThenElseZero(hn::Ge(uniform, limit), hn::Mul(access(x, at), factor));
    access.put(add ? hn::Add(access(y, at), kept) : kept, y, at);
  });
}

void dropout_rows(const Dropout& a, int64_t begin, int64_t end) {
  const float scale = static_cast<float>(1.0 / (1.0 - static_cast<double>(a.p)));
  HWY_ALIGN uint32_t words[kWords + kSlack];
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    for (int64_t n = begin; n < end; ++n)
      for (int64_t c = 0; c < a.y.cols;) {
        const uint64_t first = a.first + static_cast<uint64_t>(n * a.y.cols + c);
        const int64_t inside = static_cast<int64_t>(first % 4);
        const int64_t count = std::min(a.y.cols - c, kWords - inside);
        random_blocks(a.stream, first / 4, (inside + count + 3) / 4, words);
        dropout_run<A>(a.x.row<A>(n) + c, a.y.row<A>(n) + c, words + inside, a.p, scale, a.add,
                       count);
        c += count;
      }
  });
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"

namespace falconer::cpu {

HWY_EXPORT(dropout_rows);

void dropout(const Dropout& args) {
  const int64_t grain = std::max<int64_t>(1, (1 << 13) / args.y.cols);
  parallel_for(args.y.rows, grain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(dropout_rows)(args, begin, end);
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
