// A tensor that is looked at, not owned: address, rows x columns, row stride, dtype. Passed by
// value.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "tensor/dtype.h"

namespace falconer {

class Device;

/// A view with a C++ element type, for kernels. `stride` is in elements.
template <class S>
struct Mat {
  S* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;

  constexpr S* row(int64_t i) const { return data + i * stride; }
  constexpr S& operator()(int64_t i, int64_t j) const { return data[i * stride + j]; }
  constexpr explicit operator bool() const { return data != nullptr; }
};

/// rows x cols elements; row i starts at element i * stride. A vector of n is 1 x n. Of a dtype in blocks, `cols` and
/// `stride` are whole blocks, and columns are cut at blocks alone.
/// An empty view (no address) means "none": a frozen tensor's gradient, a bias that is absent, an
/// output that nobody wants.
struct View {
  void* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;
  Dtype dtype = Dtype::kF32;
  Device* device = nullptr;  // whose memory it is; null: the host's

  explicit operator bool() const { return data != nullptr; }
  int64_t size() const { return rows * cols; }
  size_t bytes() const { return bytes_of(dtype, size()); }
  bool contiguous() const { return stride == cols || rows <= 1; }

  std::byte* at(int64_t row, int64_t col = 0) const {
    return static_cast<std::byte*>(data) +
           static_cast<int64_t>(bytes_of(dtype, row * stride + col));
  }
  /// Rows begin .. begin+count-1. Empty stays empty, so that "none" can be sliced like the rest.
  View row_range(int64_t begin, int64_t count) const {
    return data == nullptr ? View{} : View{at(begin), count, cols, stride, dtype, device};
  }
  View col_range(int64_t begin, int64_t count) const {
    FALCONER_CHECK(whole_blocks(begin) && whole_blocks(count));
    return data == nullptr ? View{} : View{at(0, begin), rows, count, stride, dtype, device};
  }
  /// The same elements with other rows and columns. Only contiguous views can be reshaped.
  View reshape(int64_t new_rows, int64_t new_cols) const {
    FALCONER_CHECK(contiguous() && new_rows * new_cols == size() && whole_blocks(new_cols));
    return {data, new_rows, new_cols, new_cols, dtype, device};
  }

  /// Host memory only, as row().
  template <class T>
  Mat<T> as() const {
    FALCONER_CHECK(data == nullptr || readable_as<T>());
    return {static_cast<T*>(data), rows, cols, stride};
  }
  template <class T>
  T* row(int64_t i) const {
    FALCONER_CHECK(readable_as<T>());
    return reinterpret_cast<T*>(at(i));
  }

 private:
  bool whole_blocks(int64_t count) const {
    return !is_blocks(dtype) || count % block_of(dtype) == 0;
  }
  template <class T>
  bool readable_as() const {
    return dtype == dtype_of<std::remove_const_t<T>>() && device == nullptr;
  }
};

inline bool same_shape(const View& a, const View& b) {
  return a.rows == b.rows && a.cols == b.cols;
}

/// Copies within a dtype, or between any two of f32, bf16, f16, f64, rounding to nearest even (f64 by way of f32), from
/// blocks, and to blocks of a format that can be written, row by row (tensor/blocks/format.h); shapes must agree. One of
/// the two may be on a device.
void copy_converted(const View& from, const View& to);
/// Where numbers become blocks, `importances`, one for each column, say what errors count; null: the same.
void copy_converted(const View& from, const View& to, const float* importances);

// What reads and writes single tensors wherever they lie, for loading, saving and tests. Each waits
// for the work of the device.

/// The values of an f32 view, row after row.
std::vector<float> host_values(const View& from);
/// As many f32 values as `to` has elements.
void set_values(const View& to, std::span<const float> values);
/// 0 everywhere; `to` is contiguous.
void clear(const View& to);

}  // namespace falconer
