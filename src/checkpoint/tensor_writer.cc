#include "checkpoint/tensor_writer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "checkpoint/tensor_file.h"
#include "tensor/blocks/format.h"
#include "tensor/finite.h"

namespace falconer {
namespace {

/// Tensors are converted in pieces of about this size where they cannot be written as they lie.
constexpr int64_t kPieceBytes = 16 << 20;

/// Elements of a row, as StoredTensor::view() has it: a vector is a single row.
int64_t columns(const TensorSpec& spec) { return spec.shape.empty() ? 1 : spec.shape.back(); }

/// What a number that a narrow dtype cannot hold is refused with.
[[noreturn]] void refuse(const std::string& name, float value, const char* dtype, double end,
                         const char* instead) {
  fail("{} holds {:.6g}, and {} ends at {:.6g}; {} it", name, value, dtype, end, instead);
}

/// Finite values become infinite where f16 ends, and within half a unit of where f32 does in bf16.
void check_range(const View& from, const View& to, const std::string& name) {
  if (to.dtype != Dtype::kF16 && to.dtype != Dtype::kBF16) return;
  const bool half = to.dtype == Dtype::kF16;
  for (int64_t row = 0; row < to.rows; ++row) {
    const auto found = first_not_finite(to.row_range(row, 1));
    if (!found) continue;
    const std::vector<float> before = host_values(from.row_range(row, 1)),
                             after = host_values(to.row_range(row, 1));
    for (size_t col = 0; col < before.size(); ++col) {
      const float value = before[col];
      if (std::isfinite(after[col]) || !std::isfinite(value)) continue;
      if (half) refuse(name, value, "f16", 65504, "bf16 and f32 hold");
      refuse(name, value, "bf16", 3.38953e38, "f32 holds");
    }
  }
}

/// Numbers that are none have no code.
void check_finite(const View& values, Dtype dtype, const std::string& name) {
  if (const auto found = first_not_finite(values))
    fail("{} holds {}, and {} has no place for it", name, found->value, label_of(dtype));
}

/// Where a scale went beyond what its format holds, none of its values is a number.
void check_scales(const View& values, const View& blocks, const std::string& name) {
  const auto found = first_not_finite(blocks);
  if (!found) return;
  const int64_t block = block_of(blocks.dtype), begin = found->col / block * block;
  const float* x = values.row<float>(found->row) + begin;
  const float largest =
      *std::max_element(x, x + block, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  fail("{} holds {:.6g}, and {} has no scale for it; f32 and bf16 hold it", name, largest,
       label_of(blocks.dtype));
}

}  // namespace

size_t byte_count(const TensorSpec& spec) {
  const auto count = element_count(spec.shape);
  FALCONER_CHECK(count);
  FALCONER_CHECK(columns(spec) % block_of(spec.dtype) == 0);
  return bytes_of(spec.dtype, *count);
}

TensorWriter::TensorWriter(std::vector<TensorSpec> specs) : specs_(std::move(specs)) {
  std::set<std::string_view> seen;
  for (const auto& spec : specs_) FALCONER_CHECK(seen.insert(spec.name).second);
}

void TensorWriter::write(const View& values) {
  FALCONER_CHECK(next_ < specs_.size());
  const TensorSpec& spec = specs_[next_];
  if (written_ == 0) begin(next_);
  if (values.dtype == spec.dtype && values.contiguous() && values.device == nullptr) {
    put(values.data, values.bytes());
    written_ += values.bytes();
  } else {
    write_pieces(values);
  }
  FALCONER_CHECK(written_ <= byte_count(spec));
  if (written_ < byte_count(spec)) return;
  end(next_);
  written_ = 0;
  ++next_;
}

/// Some rows at a time, or a part of one row where rows are long.
void TensorWriter::write_pieces(const View& values) {
  const int64_t room = kPieceBytes / static_cast<int64_t>(sizeof(float));  // elements
  const int64_t cols = std::clamp<int64_t>(values.cols, 1, room);
  const int64_t rows = cols < values.cols
                           ? 1
                           : std::clamp<int64_t>(room / cols, 1, std::max<int64_t>(values.rows, 1));
  for (int64_t row = 0; row < values.rows; row += rows) {
    const View band = values.row_range(row, std::min(rows, values.rows - row));
    for (int64_t col = 0; col < values.cols; col += cols)
      put_piece(band.col_range(col, std::min(cols, values.cols - col)), col);
  }
}

void TensorWriter::put_piece(const View& values, int64_t col) {
  const TensorSpec& spec = specs_[next_];
  const float* const importances = spec.importances ? spec.importances->data() + col : nullptr;
  const auto converted = [&](const View& from, Dtype dtype, Buffer& memory) {
    const size_t bytes = bytes_of(dtype, from.size());
    if (memory.size() < bytes) memory = Buffer(bytes);
    const View to{memory.data(), from.rows, from.cols, from.cols, dtype};
    copy_converted(from, to, importances);
    return to;
  };
  View written;
  if (is_blocks(spec.dtype)) {
    // A block never goes over the end of a row, nor over that of a piece: both are multiples of it.
    const View numbers = converted(values, Dtype::kF32, piece_);
    check_finite(numbers, spec.dtype, spec.name);
    written = converted(numbers, spec.dtype, blocks_);
    check_scales(numbers, written, spec.name);
  } else {
    written = converted(values, spec.dtype, piece_);
    check_range(values, written, spec.name);
  }
  put(written.data, written.bytes());
  written_ += written.bytes();
}

void TensorWriter::commit() {
  FALCONER_CHECK(next_ == specs_.size());
  finish();
}

}  // namespace falconer
