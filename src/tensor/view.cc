#include "tensor/view.h"

#include <cstring>

#include "base/threads.h"
#include "tensor/blocks/format.h"
#include "tensor/buffer.h"
#include "tensor/device.h"

namespace falconer {
namespace {

template <class From, class To>
void convert_rows(const View& from, const View& to, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const From* x = from.row<From>(i);
    To* y = to.row<To>(i);
    for (int64_t j = 0; j < from.cols; ++j) y[j] = To(static_cast<float>(x[j]));
  }
}

void copy_rows(const View& from, const View& to, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i)
    std::memcpy(to.at(i), from.at(i), bytes_of(from.dtype, from.cols));
}

template <class From>
void convert_to(const View& from, const View& to, int64_t begin, int64_t end) {
  switch (to.dtype) {
    case Dtype::kF32:
      return convert_rows<From, float>(from, to, begin, end);
    case Dtype::kBF16:
      return convert_rows<From, BF16>(from, to, begin, end);
    case Dtype::kF16:
      return convert_rows<From, F16>(from, to, begin, end);
    case Dtype::kF64:
      return convert_rows<From, double>(from, to, begin, end);
    default:
      FALCONER_CHECK(!"a dtype without conversion");
  }
}

void convert_band(const View& from, const View& to, int64_t begin, int64_t end) {
  switch (from.dtype) {
    case Dtype::kF32:
      return convert_to<float>(from, to, begin, end);
    case Dtype::kBF16:
      return convert_to<BF16>(from, to, begin, end);
    case Dtype::kF16:
      return convert_to<F16>(from, to, begin, end);
    case Dtype::kF64:
      return convert_to<double>(from, to, begin, end);
    default:
      FALCONER_CHECK(!"a dtype without conversion");
  }
}

/// A part of a row at a time by way of f32 that stays in the first cache.
void decode_band(const View& from, const View& to, int64_t begin, int64_t end) {
  constexpr int64_t kPart = 1024;  // whole blocks of any format
  const BlockFormat& format = block_format(from.dtype);
  float part[kPart];
  for (int64_t i = begin; i < end; ++i) {
    if (to.dtype == Dtype::kF32) {
      format.decode(from.at(i), from.cols / format.block(), to.row<float>(i));
      continue;
    }
    for (int64_t j = 0; j < from.cols; j += kPart) {
      const int64_t count = std::min(kPart, from.cols - j);
      format.decode(from.at(i, j), count / format.block(), part);
      convert_band({part, 1, count, count, Dtype::kF32}, to.row_range(i, 1).col_range(j, count), 0,
                   1);
    }
  }
}

/// A row is written as a whole: some formats have a scale for all of it.
void encode_band(const View& from, const View& to, const float* importances, int64_t begin,
                 int64_t end) {
  const BlockFormat& format = block_format(to.dtype);
  FALCONER_CHECK(format.encode != nullptr);
  std::vector<float> row(from.dtype == Dtype::kF32 ? 0 : static_cast<size_t>(from.cols));
  const View values{row.data(), 1, from.cols, from.cols, Dtype::kF32};
  for (int64_t i = begin; i < end; ++i) {
    const float* source = row.data();
    if (from.dtype == Dtype::kF32)
      source = from.row<float>(i);
    else if (is_blocks(from.dtype))
      decode_band(from.row_range(i, 1), values, 0, 1);
    else
      convert_band(from.row_range(i, 1), values, 0, 1);
    format.encode(source, from.cols / format.block(), importances, to.at(i));
  }
}

/// Bytes of equal dtypes; the layouts may differ.
void copy_bytes(const View& from, const View& to) {
  const auto copy = [&](void* target, const void* source, size_t bytes) {
    if (to.device != nullptr)
      to.device->copy_in(target, source, bytes);
    else
      from.device->copy_out(target, source, bytes);
  };
  if (from.contiguous() && to.contiguous()) return copy(to.data, from.data, from.bytes());
  for (int64_t i = 0; i < from.rows; ++i)
    copy(to.at(i), from.at(i), bytes_of(from.dtype, from.cols));
}

/// Conversion is the host's: by way of a few rows at a time.
void copy_with_device(const View& from, const View& to, const float* importances) {
  FALCONER_CHECK(from.device == nullptr || to.device == nullptr);
  if (from.dtype == to.dtype) return copy_bytes(from, to);
  constexpr int64_t kElements = int64_t{4} << 20;
  const int64_t most = std::max<int64_t>(1, kElements / std::max<int64_t>(1, from.cols));
  // In the dtype of the device's side.
  const Tensor piece(std::min(most, from.rows), from.cols,
                     from.device != nullptr ? from.dtype : to.dtype);
  for (int64_t row = 0; row < from.rows; row += most) {
    const int64_t count = std::min(most, from.rows - row);
    const View middle = piece.view().row_range(0, count);
    copy_converted(from.row_range(row, count), middle, importances);
    copy_converted(middle, to.row_range(row, count), importances);
  }
}

}  // namespace

void copy_converted(const View& from, const View& to, const float* importances) {
  FALCONER_CHECK(same_shape(from, to));
  if (from.size() == 0) return;
  if (from.device != nullptr || to.device != nullptr)
    return copy_with_device(from, to, importances);
  const int64_t grain = 1 + (1 << 16) / std::max<int64_t>(1, from.cols);
  parallel_for(from.rows, grain, [&](int64_t begin, int64_t end) {
    if (from.dtype == to.dtype) return copy_rows(from, to, begin, end);
    if (is_blocks(to.dtype)) return encode_band(from, to, importances, begin, end);
    if (is_blocks(from.dtype)) return decode_band(from, to, begin, end);
    convert_band(from, to, begin, end);
  });
}

void copy_converted(const View& from, const View& to) { copy_converted(from, to, nullptr); }

std::vector<float> host_values(const View& from) {
  std::vector<float> values(static_cast<size_t>(from.size()));
  copy_converted(from, {values.data(), from.rows, from.cols, from.cols, Dtype::kF32});
  return values;
}

void set_values(const View& to, std::span<const float> values) {
  FALCONER_CHECK(static_cast<int64_t>(values.size()) == to.size());
  copy_converted({const_cast<float*>(values.data()), to.rows, to.cols, to.cols, Dtype::kF32}, to);
}

void clear(const View& to) {
  FALCONER_CHECK(to.contiguous());
  if (to.device != nullptr) return to.device->set_zero(to.data, to.bytes());
  if (to.size() > 0) std::memset(to.data, 0, to.bytes());
}

}  // namespace falconer
