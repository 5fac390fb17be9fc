// Folders that transformers saved with bitsandbytes: beside X.weight, which holds codes, lie its scales and what they are.
//
//   4 bits   X.weight.absmax, .quant_map, .quant_state.bitsandbytes__nf4 (or fp4: JSON as bytes), and where the scales are
//            in 8 bits themselves .nested_absmax, .nested_quant_map. Codes and scales run over the flattened matrix.
//   8 bits   X.SCB: 127 times the step of each row; X.weight_format: 0, codes in rows.
//
// They are known by their tensors: what config.json says of quantisation is no proof of it.
#pragma once

#include "checkpoint/tensor_file.h"

namespace falconer {

/// The scales of codes, where they lie.
struct ScalesApart {
  Dtype kind = Dtype::kNF4;                // or kFP4, kInt8
  int64_t codes = 64;                      // of one scale; of kInt8 a row
  std::span<const std::byte> scales = {};  // f32; bytes where there is a table of them
  std::span<const std::byte> table = {},
                             outer_scales = {};  // f32: 256 values, and scales of `outer` of these
  int64_t outer = 256;
  float offset = 0;

  float scale(int64_t i) const;
  size_t byte_count() const;
  /// Rows from `first` on of a matrix with these codes: to blocks of `kind`, or to f32 where it is none of whole blocks.
  void copy_rows(std::span<const std::byte> codes, int64_t cols, int64_t first,
                 const View& to) const;
};

/// Has such tensors as matrices of kNF4, kFP4 or kInt8 (f32 where their rows are no whole blocks, or a scale is that of
/// less than a block), in the place of what they are made of. Errors, with the tensor's name: a part of it is missing, or
/// of another kind or size; its state is no JSON, or contradicts it.
void take_bitsandbytes(TensorFiles& files);

}  // namespace falconer
