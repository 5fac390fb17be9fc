#include "tensor/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tensor/checked_memory.h"
#include "tensor/device.h"

namespace falconer {

Buffer::Buffer(size_t bytes, Device* device, Place place)
    : size_(bytes), device_(device), place_(place) {
  const size_t mapped = std::max<size_t>(bytes, 1);
  if (device != nullptr && place == Place::kPinned) {
    data_ = device->allocate_pinned(mapped);
    std::memset(data_, 0, mapped);
    return;
  }
  if (device != nullptr) {
    data_ = device->allocate(mapped);
    return;
  }
  void* address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    fail("{} bytes of memory cannot be had: {}", bytes, std::strerror(errno));
  data_ = static_cast<std::byte*>(address);
  size_ = mapped;
  // Large pages where the system gives them: fewer TLB misses in products over hundreds of
  // megabytes.
  if (bytes >= (size_t{4} << 20)) ::madvise(address, mapped, MADV_HUGEPAGE);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      device_(std::exchange(other.device_, nullptr)),
      place_(other.place_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(device_, other.device_);
  std::swap(place_, other.place_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (device_ != nullptr) {
    place_ == Place::kPinned ? device_->release_pinned(data_) : device_->release(data_);
    return;
  }
  give_back_memory(data_, size_);
  ::munmap(data_, size_);
}

}  // namespace falconer
