// For the files of formats: a BlockFormat out of what a format says of one block.
#pragma once

#include <cstring>

#include "tensor/blocks/format.h"

namespace falconer {

/// An f16 that lies anywhere.
inline float half_at(const std::byte* at) {
  F16 half;
  std::memcpy(&half.bits, at, sizeof half.bits);
  return static_cast<float>(half);
}

inline void put_half(float value, std::byte* at) {
  const F16 half(value);
  std::memcpy(at, &half.bits, sizeof half.bits);
}

/// A number as a code from `lowest` to `most`; the lowest for what is none.
inline int to_code(float value, int lowest, int most) {
  if (!(value > static_cast<float>(lowest))) return lowest;
  return value < static_cast<float>(most) ? static_cast<int>(value) : most;
}

/// How many of 15 numbers in order lie below each of `count` values: which of 16 between them is nearest.
inline void count_below(const float* values, int64_t count, const float (&middles)[15],
                        uint8_t* codes) {
  for (int64_t i = 0; i < count; ++i) codes[i] = 0;
  for (const float middle : middles)
    for (int64_t i = 0; i < count; ++i)
      codes[i] = static_cast<uint8_t>(codes[i] + (values[i] > middle ? 1 : 0));
}

// A format F says of a block, as static members: kDtype, kGroup, kLowest, kMost, kMinimums, kTable (null: none), and
// load(block, codes, scales, minimums). The functions below are compiled for each.

template <class F>
void load_blocks(const std::byte* blocks, int64_t count, int8_t* codes, float* scales,
                 float* minimums) {
  constexpr DtypeTraits kTraits = traits_of(F::kDtype);
  constexpr int64_t kGroups = kTraits.block / F::kGroup;
  for (int64_t i = 0; i < count; ++i)
    F::load(blocks + i * kTraits.bytes, codes + i * kTraits.block, scales + i * kGroups,
            F::kMinimums ? minimums + i * kGroups : nullptr);
}

template <class F>
void decode_codes(const std::byte* blocks, int64_t count, float* values) {
  constexpr DtypeTraits kTraits = traits_of(F::kDtype);
  constexpr int64_t kGroups = kTraits.block / F::kGroup;
  for (int64_t b = 0; b < count; ++b) {
    int8_t codes[kTraits.block];
    float scales[kGroups], minimums[kGroups];
    F::load(blocks + b * kTraits.bytes, codes, scales, minimums);
    float* out = values + b * kTraits.block;
    for (int64_t g = 0; g < kGroups; ++g, out += F::kGroup) {
      const int8_t* code = codes + g * F::kGroup;
      for (int64_t i = 0; i < F::kGroup; ++i) {
        if constexpr (F::kTable != nullptr)
          out[i] = scales[g] * F::kTable[code[i]];
        else if constexpr (F::kMinimums)
          out[i] = scales[g] * static_cast<float>(code[i]) - minimums[g];
        else
          out[i] = scales[g] * static_cast<float>(code[i]);
      }
    }
  }
}

template <class F>
constexpr BlockFormat format_of(const char* label, int ggml,
                                decltype(BlockFormat::encode) encode = nullptr) {
  return {.dtype = F::kDtype,
          .label = label,
          .ggml = ggml,
          .codes = {.group = F::kGroup,
                    .lowest = F::kLowest,
                    .most = F::kMost,
                    .minimums = F::kMinimums,
                    .table = F::kTable,
                    .load = load_blocks<F>},
          .decode = decode_codes<F>,
          .encode = encode};
}

/// What most formats are: codes that are their own values, without minimums.
template <Dtype D, int64_t Group, int8_t Lowest, int8_t Most>
struct PlainCodes {
  static constexpr Dtype kDtype = D;
  static constexpr int64_t kGroup = Group;
  static constexpr int8_t kLowest = Lowest, kMost = Most;
  static constexpr bool kMinimums = false;
  static constexpr const float* kTable = nullptr;
};

}  // namespace falconer
