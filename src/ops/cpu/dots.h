// How whole numbers of 8 bits are multiplied here (dots-inl.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace falconer::cpu {

/// In pairs of 16 bits; by AVX's instruction for 8 bits, which holds codes of 6 bits; by the dot product instruction
/// (VNNI). The best last.
enum class Dots { kPairs, kMaddubs, kVnni };

/// The best one of the instruction set that kernels are taken of now.
Dots best_dots();
/// For tests: from now on no better way than this one: "pairs", "maddubs", "vnni".
void hold_dots(std::string_view name);

/// Four codes of x as products read them: in `bytes` of 4, or of 8 where they are in 16 bits, 0, 2 and then 1, 3.
inline void put_quad(const int8_t* codes, int64_t bytes, int8_t* out) {
  if (bytes == 4) {
    std::memcpy(out, codes, 4);
    return;
  }
  const int16_t pairs[4] = {codes[0], codes[2], codes[1], codes[3]};
  std::memcpy(out, pairs, sizeof pairs);
}

}  // namespace falconer::cpu
