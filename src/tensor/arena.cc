#include "tensor/arena.h"

#include <algorithm>

#include "tensor/checked_memory.h"

namespace falconer {
namespace {

constexpr size_t kAlign = 64;
// Where a measuring arena pretends to be: outside of what a process can ever map, however far the
// plan reaches, so a kernel that touches it stops at once.
constexpr uintptr_t kNowhere = uintptr_t{1} << 63;

}  // namespace

View Arena::push(int64_t rows, int64_t cols, Dtype dtype) {
  FALCONER_CHECK(rows >= 0 && cols >= 0 && cols % block_of(dtype) == 0);
  const size_t start = top_;
  const size_t bytes = bytes_of(dtype, rows * cols);
  const size_t end = start + (bytes + kAlign - 1) / kAlign * kAlign;
  FALCONER_CHECK(measuring() || end <= buffer_.size());
  top_ = end;
  high_ = std::max(high_, top_);
  std::byte* address =
      measuring() ? reinterpret_cast<std::byte*>(kNowhere + start) : buffer_.data() + start;
  if (!measuring() && device_ == nullptr) {
    hand_out_memory(address, bytes);
    forbid_memory(address + bytes, std::min(end + kAlign, buffer_.size()) - start - bytes);
  }
  return {address, rows, cols, cols, dtype, device_};
}

void Arena::release(size_t mark) {
  FALCONER_CHECK(mark <= top_);
  if (!measuring() && device_ == nullptr) forbid_memory(buffer_.data() + mark, top_ - mark);
  top_ = mark;
}

}  // namespace falconer
