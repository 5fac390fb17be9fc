#include "checkpoint/tensor_writer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "checkpoint/gguf_blocks.h"
#include "checkpoint/tensor_file.h"
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
    for (int64_t col = found->col; col < to.cols; ++col) {
      float value = 0, written = 0;
      const auto number = [](float& x) { return View{&x, 1, 1, 1, Dtype::kF32}; };
      copy_converted(from.row_range(row, 1).col_range(col, 1), number(value));
      copy_converted(to.row_range(row, 1).col_range(col, 1), number(written));
      if (std::isfinite(written) || !std::isfinite(value)) continue;
      if (half) refuse(name, value, "f16", 65504, "bf16 and f32 hold");
      refuse(name, value, "bf16", 3.38953e38, "f32 holds");
    }
  }
}

/// A block's scale is its largest magnitude over 127, in f16.
void check_q8_0(const View& values, const std::string& name) {
  constexpr float kMost = 127 * 65504.0f;
  for (int64_t row = 0; row < values.rows; ++row)
    for (int64_t col = 0; col < values.cols; ++col) {
      const float value = values.row<float>(row)[col];
      if (std::isnan(value)) fail("{} holds {}, and Q8_0 has no place for it", name, value);
      if (std::fabs(value) > kMost) refuse(name, value, "Q8_0", kMost, "f32 and bf16 hold");
    }
}

}  // namespace

size_t byte_count(const TensorSpec& spec) {
  const auto count = element_count(spec.shape);
  FALCONER_CHECK(count);
  if (!spec.q8_0) return static_cast<size_t>(*count) * size_of(spec.dtype);
  FALCONER_CHECK(columns(spec) % kQ8Block == 0);
  return static_cast<size_t>(*count / kQ8Block) * kQ8Bytes;
}

TensorWriter::TensorWriter(std::vector<TensorSpec> specs) : specs_(std::move(specs)) {
  std::set<std::string_view> seen;
  for (const auto& spec : specs_) FALCONER_CHECK(seen.insert(spec.name).second);
}

void TensorWriter::write(const View& values) {
  FALCONER_CHECK(next_ < specs_.size());
  const TensorSpec& spec = specs_[next_];
  if (written_ == 0) begin(next_);
  if (values.dtype == spec.dtype && values.contiguous() && !spec.q8_0 && values.device == nullptr) {
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
      put_piece(band.col_range(col, std::min(cols, values.cols - col)));
  }
}

void TensorWriter::put_piece(const View& values) {
  const TensorSpec& spec = specs_[next_];
  const Dtype dtype = spec.q8_0 ? Dtype::kF32 : spec.dtype;
  const size_t bytes = static_cast<size_t>(values.size()) * size_of(dtype);
  if (piece_.size() < bytes) piece_ = Buffer(bytes);
  const View converted{piece_.data(), values.rows, values.cols, values.cols, dtype};
  copy_converted(values, converted);
  if (!spec.q8_0) {
    check_range(values, converted, spec.name);
    put(converted.data, bytes);
    written_ += bytes;
    return;
  }
  // A block never goes over the end of a row, nor over that of a piece: both are multiples of it.
  const size_t packed = static_cast<size_t>(values.size() / kQ8Block) * kQ8Bytes;
  if (blocks_.size() < packed) blocks_ = Buffer(packed);
  check_q8_0(converted, spec.name);
  pack_q8_0(converted, blocks_.data());
  put(blocks_.data(), packed);
  written_ += packed;
}

void TensorWriter::commit() {
  FALCONER_CHECK(next_ == specs_.size());
  finish();
}

}  // namespace falconer
