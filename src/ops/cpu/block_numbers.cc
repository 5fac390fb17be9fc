#include "ops/cpu/block_numbers.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/block_numbers.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "ops/cpu/vector-inl.h"

#ifndef FALCONER_OPS_CPU_BLOCK_NUMBERS_CODES_
#define FALCONER_OPS_CPU_BLOCK_NUMBERS_CODES_
namespace falconer::cpu {

/// Groups of codes with what they share (tensor/blocks/format.h).
struct CodedValues {
  const int8_t* codes;
  const float *scales, *minimums;  // of groups; no minimums: null
  const float* table;              // of 16 values; null: codes are values
  int64_t group, groups;
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// Codes as floats: themselves, or what a table has for them.
struct PlainValues {
  HWY_INLINE VecF operator()(const int8_t* codes) const {
    const F32 d;
    const hn::Rebind<int8_t, F32> d8;
    const hn::RebindToSigned<F32> di;
    return hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, codes)));
  }
};
struct TableValues {
  const float* table;
  HWY_INLINE VecF operator()(const int8_t* codes) const {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
    const F32 d;
    const hn::Rebind<int8_t, F32> d8;
    const hn::RebindToSigned<F32> di;
    const auto places = hn::PromoteTo(di, hn::LoadU(d8, codes));
    return hn::TableLookupLanes(hn::LoadU(d, table), hn::IndicesFromVec(d, places));
#else
    HWY_ALIGN float values[kMostLanes];
    for (int64_t i = 0; i < lanes(); ++i) values[i] = table[codes[i]];
    return hn::Load(F32(), values);
#endif
  }
};

template <class Values, class T>
HWY_INLINE void put_values(const CodedValues& from, const Values& values, T* to) {
  for (int64_t g = 0; g < from.groups; ++g) {
    const VecF scale = hn::Set(F32(), from.scales[g]);
    const int8_t* codes = from.codes + g * from.group;
    T* out = to + g * from.group;
    if (from.minimums == nullptr) {
      for (int64_t i = 0; i < from.group; i += lanes())
        store(hn::Mul(scale, values(codes + i)), out + i);
      continue;
    }
    const VecF minimum = hn::Set(F32(), from.minimums[g]);
    for (int64_t i = 0; i < from.group; i += lanes())
      store(hn::Sub(hn::Mul(scale, values(codes + i)), minimum), out + i);
  }
}

template <class T>
void decode_values(const CodedValues& from, T* to) {
  if (from.table != nullptr)
    put_values(from, TableValues{from.table}, to);
  else
    put_values(from, PlainValues(), to);
}

template <class T>
void widen_row(const T* from, int64_t n, float* to) {
  for_vectors(n, [&](int64_t at, auto access) HWY_ATTR { access.put(access(from, at), to, at); });
}
void widen(const View& from, const View& to) {
  with_type(from.dtype, [&]<class T>(Type<T>) HWY_ATTR {
    for (int64_t i = 0; i < from.rows; ++i) widen_row(from.row<T>(i), from.cols, to.row<float>(i));
  });
}

void decode_to_f32(const CodedValues& from, float* to) { decode_values(from, to); }
void decode_to_bf16(const CodedValues& from, BF16* to) { decode_values(from, to); }

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "tensor/blocks/format.h"

namespace falconer::cpu {
namespace {

HWY_EXPORT(decode_to_f32);
HWY_EXPORT(decode_to_bf16);
HWY_EXPORT(widen);

/// Values that go through the first cache at one time: whole blocks of every format.
constexpr int64_t kSome = 1024;

}  // namespace

void numbers_of_blocks(const View& from, const View& to) {
  const BlockFormat& format = block_format(from.dtype);
  // Its values are rounded twice.
  if (from.dtype == Dtype::kInt8) return copy_converted(from, to);
  int8_t codes[kSome];
  float scales[kSome / 16], minimums[kSome / 16];
  CodedValues some{.codes = codes,
                   .scales = scales,
                   .minimums = format.codes.minimums ? minimums : nullptr,
                   .table = format.codes.table,
                   .group = format.codes.group,
                   .groups = 0};
  for (int64_t i = 0; i < from.rows; ++i)
    for (int64_t j = 0; j < from.cols; j += kSome) {
      const int64_t count = std::min(kSome, from.cols - j);
      format.codes.load(from.at(i, j), count / format.block(), codes, scales, minimums);
      some.groups = count / some.group;
      if (to.dtype == Dtype::kBF16)
        HWY_DYNAMIC_DISPATCH(decode_to_bf16)(some, to.row<BF16>(i) + j);
      else
        HWY_DYNAMIC_DISPATCH(decode_to_f32)(some, to.row<float>(i) + j);
    }
}

void numbers_as_f32(const View& from, const View& to) {
  if (is_blocks(from.dtype)) return numbers_of_blocks(from, to);
  if (from.dtype == Dtype::kF16) return copy_converted(from, to);
  HWY_DYNAMIC_DISPATCH(widen)(from, to);
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
