// How 8-bit whole numbers are multiplied and summed in 32 bits, by the instruction that a CPU has for it. Included once
// for each instruction set, behind vector-inl.h. A struct Dot has
//
//   kXBytes               of a row of x in 32 columns: 32, or 64 where its codes are in 16 bits
//   Column column(u)      4 unsigned codes u for each lane
//   Row row(x)            4 signed codes of x, from where put_quad() put them
//   add(sums, u, x)       sums += for each lane the products of its codes with those of x
#if defined(FALCONER_OPS_CPU_DOTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALCONER_OPS_CPU_DOTS_INL_H_
#undef FALCONER_OPS_CPU_DOTS_INL_H_
#else
#define FALCONER_OPS_CPU_DOTS_INL_H_
#endif

#include "ops/cpu/vector-inl.h"

#if HWY_TARGET != HWY_SCALAR
HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

#if HWY_MAX_BYTES >= 64
constexpr int kPartRows = 16;
#elif HWY_MAX_BYTES >= 32
constexpr int kPartRows = 8;
#else
constexpr int kPartRows = 4;
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
struct PairsDot {
  static constexpr int kXBytes = 64;
  using Shorts = hn::Vec<hn::Repartition<int16_t, WholeTag>>;
  struct Column {
    Shorts even, odd;
  };
  struct Row {
    Shorts even, odd;
  };
  static HWY_INLINE Column column(Bytes u) {
    const hn::Repartition<int16_t, WholeTag> d16;
    const hn::Repartition<uint16_t, WholeTag> u16;
    const auto both = hn::BitCast(u16, u);
    return {hn::BitCast(d16, hn::And(both, hn::Set(u16, 0x00FF))),
            hn::BitCast(d16, hn::ShiftRight<8>(both))};
  }
  static HWY_INLINE Row row(const int8_t* x) {
    const hn::Repartition<int16_t, WholeTag> d16;
    return {hn::BitCast(d16, hn::Set(WholeTag(), word_of(x))),
            hn::BitCast(d16, hn::Set(WholeTag(), word_of(x + 4)))};
  }
  static HWY_INLINE void add(Whole32& sums, Column u, Row x) {
    sums = hn::Add(sums, madd(u.even, x.even));
    sums = hn::Add(sums, madd(u.odd, x.odd));
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
using Dot = PairsDot;
}  // namespace pairs

#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
namespace maddubs {
struct MaddubsDot {
  static constexpr int kXBytes = 32;
  using Column = Bytes;
  using Row = Whole32;
  static HWY_INLINE Column column(Bytes u) { return u; }
  static HWY_INLINE Row row(const int8_t* x) { return hn::Set(WholeTag(), word_of(x)); }
  static HWY_INLINE void add(Whole32& sums, Column u, Row x) {
#if HWY_TARGET <= HWY_AVX3
    const __m512i two = _mm512_maddubs_epi16(u.raw, x.raw);
    sums = Whole32{_mm512_add_epi32(sums.raw, _mm512_madd_epi16(two, _mm512_set1_epi16(1)))};
#else
    const __m256i two = _mm256_maddubs_epi16(u.raw, x.raw);
    sums = Whole32{_mm256_add_epi32(sums.raw, _mm256_madd_epi16(two, _mm256_set1_epi16(1)))};
#endif
  }
};
using Dot = MaddubsDot;
}  // namespace maddubs
#endif

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// What multiplies with this Dot stands between FALCONER_BEGIN_VNNI and FALCONER_END_VNNI as well.
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
#undef FALCONER_BEGIN_VNNI
#undef FALCONER_END_VNNI
#if HWY_TARGET <= HWY_AVX3
#define FALCONER_BEGIN_VNNI HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR_AVX3 ",avx512vnni")
#else
#define FALCONER_BEGIN_VNNI HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR_AVX2 ",avxvnni")
#endif
#define FALCONER_END_VNNI HWY_POP_ATTRIBUTES
FALCONER_BEGIN_VNNI
namespace falconer::cpu::HWY_NAMESPACE::vnni {
struct VnniDot {
  static constexpr int kXBytes = 32;
  using Column = Bytes;
  using Row = Whole32;
  static HWY_INLINE Column column(Bytes u) { return u; }
#if HWY_TARGET <= HWY_AVX3
  // By their names, and in this order: of intrinsics GCC 12 copies each sum before it adds, which halves the speed.
  static HWY_INLINE Row row(const int8_t* x) {
    Row all;
    asm volatile("vpbroadcastd %1, %0" : "=v"(all.raw) : "m"(*reinterpret_cast<const Word*>(x)));
    return all;
  }
  static HWY_INLINE void add(Whole32& sums, Column u, Row x) {
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sums.raw) : "v"(u.raw), "v"(x.raw));
  }

 private:
  struct Word {
    int8_t codes[4];
  };
#else
  static HWY_INLINE Row row(const int8_t* x) { return hn::Set(WholeTag(), word_of(x)); }
  static HWY_INLINE void add(Whole32& sums, Column u, Row x) {
    sums = Whole32{_mm256_dpbusd_avx_epi32(sums.raw, u.raw, x.raw)};
  }
#endif
};
using Dot = VnniDot;
}  // namespace falconer::cpu::HWY_NAMESPACE::vnni
FALCONER_END_VNNI
#endif

#endif  // HWY_SCALAR
#endif  // per-target include guard
