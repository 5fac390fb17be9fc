#include "tensor/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace falconer {

Buffer::Buffer(size_t bytes) : size_(bytes) {
  const size_t mapped = std::max<size_t>(bytes, 1);
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
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace falconer
