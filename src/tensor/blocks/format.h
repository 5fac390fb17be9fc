// Formats of numbers in blocks. A format says what a block is as codes with scales, and how numbers become blocks: all
// else (copies, files, products) knows no format. docs/quantised.md has them side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace falconer {

/// Blocks as codes: a value is scale * code - minimum, or scale * table[code], in f32 (kInt8 alone rounds in between:
/// its decode()). Groups of values share a scale and a minimum. What is computed with codes gives a format's values but
/// for the order of sums.
struct BlockCodes {
  int64_t group = 0;             // values of a group: 16, 32 or 64
  int8_t lowest = 0, most = 0;   // what codes are between
  bool minimums = false;         // whether there are any
  const float* table = nullptr;  // of the values of codes 0 .. 15; null: they are their own values
  /// `count` blocks, one behind the other, as codes in the order of their values, and scales and minimums in that of
  /// groups. Where there are no minimums none are written, and `minimums` may be null.
  void (*load)(const std::byte* blocks, int64_t count, int8_t* codes, float* scales,
               float* minimums) = nullptr;
};

struct BlockFormat {
  Dtype dtype = Dtype::kQ8_0;  // its name, and the length and bytes of a block (DtypeTraits)
  const char* label = "";      // for people, and in GGUF: "Q4_K"
  int ggml = -1;               // GGUF's number; -1: none
  BlockCodes codes = {};
  /// The values of `count` blocks, to the bit as the programs have them that the format comes from. Where a scale is no
  /// number, none of its values is.
  void (*decode)(const std::byte* blocks, int64_t count, float* values) = nullptr;
  /// A row, or a part of one, as `count` blocks. `importance`, of one number for each value, says what a squared error
  /// counts there; null: the same everywhere. Null: Falconer does not write this format. Values are finite; a scale
  /// that the format cannot hold becomes infinite.
  void (*encode)(const float* values, int64_t count, const float* importance,
                 std::byte* blocks) = nullptr;

  std::string_view name() const { return name_of(dtype); }
  int64_t block() const { return block_of(dtype); }
  int64_t bytes() const { return traits_of(dtype).bytes; }
};

/// Of a dtype in blocks.
const BlockFormat& block_format(Dtype dtype);
/// Null where GGUF's number is none of a format here.
const BlockFormat* block_format_of_ggml(uint32_t number);
/// By name: "q4_k". Null where there is none.
const BlockFormat* block_format_named(std::string_view name);
/// All, in the order of the table.
std::span<const BlockFormat* const> block_formats();

/// `wanted`, or what has whole blocks of `cols` values in its place: as llama.cpp chooses for the K-quants and IQ4_XS
/// (Q2_K and Q3_K become Q4_0, Q4_K Q5_0, Q5_K Q5_1, Q6_K Q8_0, IQ4_XS IQ4_NL). Nothing where nothing fits.
std::optional<Dtype> fitting_format(Dtype wanted, int64_t cols);
/// Names of the formats that Falconer writes, in the order of the table.
std::vector<std::string> written_formats();

/// What people call a dtype: "Q4_K", "bf16".
std::string_view label_of(Dtype dtype);

/// Error: of a model no matrix can be in this format.
[[noreturn]] void fail_nothing_in_blocks(const std::string& model, std::string_view format);

}  // namespace falconer
