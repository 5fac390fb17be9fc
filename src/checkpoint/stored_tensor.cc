// What a tensor of a file is, and how its values come out of it.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/threads.h"
#include "checkpoint/bitsandbytes.h"
#include "checkpoint/tensor_file.h"
#include "tensor/blocks/format.h"
#include "tensor/buffer.h"
#include "tensor/finite.h"
#include "tensor/row_bands.h"

namespace falconer {

float ValueForm::stored(float value) const {
  return negative_exp ? -std::exp(value) : value + added;
}

float ValueForm::value(float stored) const {
  return negative_exp ? std::log(-stored) : stored - added;
}

int64_t StoredTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

View StoredTensor::view() const {
  FALCONER_CHECK(plain());
  return {const_cast<std::byte*>(bytes.data()), rows(), cols(), cols(), dtype};
}

int64_t StoredTensor::row_bytes() const {
  const bool vector = shape.size() == 1;
  return static_cast<int64_t>(bytes_of(dtype, vector ? 1 : cols()));
}

std::optional<Dtype> StoredTensor::blocks() const {
  if (apart != nullptr) return apart->kind;
  return is_blocks(dtype) ? std::optional(dtype) : std::nullopt;
}

void StoredTensor::copy_to(const View& to) const { copy_rows_to(0, to); }

namespace {

/// By way of some rows in host memory: blocks are unpacked and rows are put in order there.
void copy_rows_to_device(const StoredTensor& tensor, int64_t first, const View& to) {
  constexpr int64_t kElements = int64_t{4} << 20;
  const int64_t most = std::max<int64_t>(1, kElements / std::max<int64_t>(1, to.cols));
  const Tensor piece(std::min(most, to.rows), to.cols, to.dtype);
  for (int64_t row = 0; row < to.rows; row += most) {
    const View some = piece.view().row_range(0, std::min(most, to.rows - row));
    tensor.copy_rows_to(first + row, some);
    copy_converted(some, to.row_range(row, some.rows));
  }
}

/// Rows of blocks as numbers, which are looked at while they are in the cache.
void decode_rows(const StoredTensor& tensor, const View& blocks, const View& to) {
  parallel_for(
      to.rows, 1 + (1 << 16) / std::max<int64_t>(1, to.cols), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          copy_converted(blocks.row_range(i, 1), to.row_range(i, 1));
          if (const auto found = first_not_finite(to.row_range(i, 1)))
            fail("{}: a block of {} holds {}: its scale, in {}, is damaged; fetch the file again",
                 tensor.file.string(), printable(tensor.name), found->value,
                 label_of(*tensor.blocks()));
        }
      });
}

/// `to.rows` rows that lie at `from`.
void copy_file_rows(const StoredTensor& tensor, const std::byte* from, const View& to) {
  const View rows{const_cast<std::byte*>(from), to.rows, tensor.cols(), tensor.cols(),
                  tensor.dtype};
  if (is_blocks(tensor.dtype) && !is_blocks(to.dtype)) return decode_rows(tensor, rows, to);
  copy_converted(rows, to);
}

/// Rows of which each is put together of codes and scales, some at a time.
void copy_apart(const StoredTensor& tensor, int64_t first, const View& to) {
  if (to.dtype == tensor.dtype && is_blocks(to.dtype))
    return tensor.apart->copy_rows(tensor.bytes, tensor.cols(), first, to);
  for_bands(to.rows, to.cols, [&](int64_t row, int64_t count) {
    const Tensor some(count, to.cols, tensor.dtype);
    tensor.apart->copy_rows(tensor.bytes, tensor.cols(), first + row, some.view());
    if (is_blocks(to.dtype))
      copy_converted(some.view(), to.row_range(row, count));
    else
      decode_rows(tensor, some.view(), to.row_range(row, count));
  });
}

/// A vector's elements are its rows: they are put in order one run at a time.
void copy_elements(const StoredTensor& tensor, const View& to) {
  int64_t at = 0;
  for (const std::span<const std::byte> run : tensor.runs) {
    const int64_t count = static_cast<int64_t>(run.size()) / tensor.row_bytes();
    copy_converted({const_cast<std::byte*>(run.data()), 1, count, count, tensor.dtype},
                   to.col_range(at, count));
    at += count;
  }
}

/// From row `first` on, as they are stored.
void copy_stored(const StoredTensor& tensor, int64_t first, const View& to) {
  if (tensor.apart != nullptr) return copy_apart(tensor, first, to);
  if (tensor.runs.empty())
    return copy_file_rows(
        tensor, tensor.bytes.data() + (tensor.shape.size() == 1 ? 0 : first * tensor.row_bytes()),
        to);
  if (tensor.shape.size() == 1) return copy_elements(tensor, to);
  int64_t at = 0, done = 0;  // row that a run begins with, rows copied
  for (const std::span<const std::byte> run : tensor.runs) {
    const int64_t rows = static_cast<int64_t>(run.size()) / tensor.row_bytes();
    const int64_t skip = std::clamp<int64_t>(first + done - at, 0, rows);
    const int64_t count = std::min(rows - skip, to.rows - done);
    if (count > 0)
      copy_file_rows(tensor, run.data() + skip * tensor.row_bytes(), to.row_range(done, count));
    done += std::max<int64_t>(count, 0);
    at += rows;
  }
}

}  // namespace

void StoredTensor::copy_rows_to(int64_t first, const View& to) const {
  FALCONER_CHECK(to.cols == cols() && first >= 0 && to.rows <= rows() - first);
  if (to.device != nullptr) return copy_rows_to_device(*this, first, to);
  if (form.plain()) return copy_stored(*this, first, to);
  const Tensor values(to.rows, to.cols, Dtype::kF32);
  copy_stored(*this, first, values.view());
  for (int64_t i = 0; i < to.rows; ++i)
    for (int64_t j = 0; j < to.cols; ++j) {
      float& value = values.view().row<float>(i)[j];
      if (form.negative_exp && !(value < 0))
        fail("{}: {} holds {} at {}, and a rate of decay is below 0; fetch the file again",
             file.string(), printable(name), value, j);
      value = form.value(value);
    }
  copy_converted(values.view(), to);
}

size_t StoredTensor::byte_count() const {
  size_t count = bytes.size();
  for (const auto& run : runs) count += run.size();
  return apart == nullptr ? count : count + apart->byte_count();
}

void StoredTensor::forget() const {
  if (!mapped) return;
  if (!bytes.empty()) forget_pages(bytes);
  for (const auto& run : runs) forget_pages(run);
}

std::string StoredTensor::shape_text() const { return fmt::format("[{}]", joined(shape, ", ")); }

void StoredTensor::check_float() const {
  if (!is_float(dtype) && !is_blocks(dtype))
    fail("{}: {} holds {} numbers; f32, bf16 and f16 can be read", file.string(), name,
         name_of(dtype));
}

}  // namespace falconer
