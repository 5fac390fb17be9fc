// Memory that is owned: zeroed pages from the system, aligned for every instruction set, or zeroed
// memory of a device, or of the host where a device reaches it too.
#pragma once

#include <cstddef>

#include "tensor/view.h"

namespace falconer {

/// Whose memory a device's buffer takes: its own, or the host's, pinned: its kernels reach that over
/// the bus.
enum class Place { kDevice, kPinned };

/// Zeroed memory. Pages count towards resident memory only once they are touched.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes, Device* device = nullptr, Place place = Place::kDevice);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  Device* device() const { return device_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  Device* device_ = nullptr;
  Place place_ = Place::kDevice;
};

/// A tensor with its own memory, zeroed.
class Tensor {
 public:
  Tensor() = default;
  Tensor(int64_t rows, int64_t cols, Dtype dtype, Device* device = nullptr)
      : buffer_(bytes_of(dtype, rows * cols), device), view_{buffer_.data(), rows,  cols,
                                                             cols,           dtype, device} {}

  const View& view() const { return view_; }
  explicit operator bool() const { return static_cast<bool>(view_); }

 private:
  Buffer buffer_;
  View view_;
};

}  // namespace falconer
