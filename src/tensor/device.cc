#include "tensor/device.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"

namespace falconer {
namespace {

constexpr size_t kDeviceAlign = 256;
// Arrays that are looked for before one is sent: more than a pass of the decoder uses.
constexpr size_t kRemembered = 32;

void copy_parallel(std::byte* to, const std::byte* from, size_t bytes) {
  parallel_for(static_cast<int64_t>(bytes), 1 << 20, [&](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
  });
}

}  // namespace

std::byte* Device::chunk(int64_t number) {
  if (chunks_ == nullptr) chunks_ = allocate_pinned(kMarks * kChunkBytes);
  return chunks_ + static_cast<size_t>(number % kMarks) * kChunkBytes;
}

void Device::copy_in(void* to, const void* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kChunkBytes, ++next_chunk_) {
    const size_t count = std::min(kChunkBytes, bytes - at);
    const int mark = static_cast<int>(next_chunk_ % kMarks);
    std::byte* piece = chunk(next_chunk_);
    wait(mark);  // the copy that last went through this piece
    copy_parallel(piece, static_cast<const std::byte*>(from) + at, count);
    copy_async(static_cast<std::byte*>(to) + at, piece, count);
    record(mark);
  }
}

void Device::copy_out(void* to, const void* from, size_t bytes) {
  // The next piece is under way while one is taken out of its chunk.
  const size_t pieces = (bytes + kChunkBytes - 1) / kChunkBytes;
  const auto size_of_piece = [&](size_t i) {
    return std::min(kChunkBytes, bytes - i * kChunkBytes);
  };
  const int64_t first = next_chunk_;
  const auto take = [&](size_t i) {
    const int64_t number = first + static_cast<int64_t>(i);
    wait(static_cast<int>(number % kMarks));
    copy_parallel(static_cast<std::byte*>(to) + i * kChunkBytes, chunk(number), size_of_piece(i));
  };
  for (size_t i = 0; i < pieces; ++i, ++next_chunk_) {
    copy_async(chunk(next_chunk_), static_cast<const std::byte*>(from) + i * kChunkBytes,
               size_of_piece(i));
    record(static_cast<int>(next_chunk_ % kMarks));
    if (i > 0) take(i - 1);
  }
  if (pieces > 0) take(pieces - 1);
}

const void* Device::staged(const void* host, size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > kRingBytes / 8)
    fail(
        "{}: {} bytes of token ids or spans at one time, and {} can be sent; take fewer rows at "
        "one time (--micro-batch-size)",
        name_, bytes, kRingBytes / 8);
  if (ring_ == nullptr) {
    ring_host_ = allocate_pinned(kRingBytes);
    ring_ = allocate(kRingBytes);
  }
  for (auto sent = sent_.rbegin(); sent != sent_.rend(); ++sent)
    // What lies far behind would be written over soon, perhaps by the next array of the same kernel.
    if (ring_top_ - sent->at <= kRingBytes / 2 && sent->bytes == bytes &&
        std::memcmp(ring_host_ + sent->at, host, bytes) == 0)
      return ring_ + sent->at;
  if (ring_top_ + bytes > kRingBytes) {
    synchronize();  // nobody reads the beginning any more
    sent_.clear();
    ring_top_ = 0;
  }
  const size_t at = ring_top_;
  ring_top_ += (bytes + kDeviceAlign - 1) / kDeviceAlign * kDeviceAlign;
  std::memcpy(ring_host_ + at, host, bytes);
  copy_async(ring_ + at, ring_host_ + at, bytes);
  sent_.push_back({at, bytes});
  if (sent_.size() > kRemembered) sent_.pop_front();
  return ring_ + at;
}

std::byte* Device::workspace() {
  if (workspace_ == nullptr) workspace_ = allocate(kWorkspaceBytes);
  return workspace_;
}

void Device::release_services() noexcept {
  if (chunks_ != nullptr) release_pinned(chunks_);
  if (ring_host_ != nullptr) release_pinned(ring_host_);
  if (ring_ != nullptr) release(ring_);
  if (workspace_ != nullptr) release(workspace_);
  chunks_ = ring_host_ = ring_ = workspace_ = nullptr;
}

void fail_on_device(const std::string& what, const std::string& detail) {
  fail("{}: {}", spelled(what), spelled(detail));
}

}  // namespace falconer
