// How GGUF stores numbers: the types of its tensors, and the blocks of Q8_0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tensor/view.h"

namespace falconer {

/// One of ggml's types: `block` values take `bytes`.
struct GgufType {
  uint32_t number = 0;
  const char* name = "";
  int64_t block = 1, bytes = 0;
};

/// Null for a number that is not known.
const GgufType* gguf_type(uint32_t number);

inline constexpr uint32_t kGgufF32 = 0, kGgufF16 = 1, kGgufQ8_0 = 8, kGgufBF16 = 30;

/// The dtype that a tensor of this type is read as: itself, or f32 for Q8_0. Nothing for one that
/// Falconer cannot read.
std::optional<Dtype> dtype_from_gguf(uint32_t number);

/// Q8_0: 32 values are a scale d in f16 and 32 signed bytes q, value = d q. d is the largest
/// magnitude over 127.
inline constexpr int64_t kQ8Block = 32, kQ8Bytes = 34;

/// `values` (f32, contiguous, rows of whole blocks) as blocks, one behind the other. Rounds as
/// llama.cpp does, bit for bit.
void pack_q8_0(const View& values, std::byte* blocks);
/// The values of blocks, to `values` of any float dtype. Its rows are whole blocks; they may be
/// part of longer rows.
void unpack_q8_0(const std::byte* blocks, const View& values);

}  // namespace falconer
