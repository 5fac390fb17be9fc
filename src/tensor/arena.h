// Memory in the order of use: push hands out views one behind the other, release goes back to a
// mark.
#pragma once

#include <cstddef>

#include "tensor/buffer.h"

namespace falconer {

/// A bump allocator over one buffer whose size was found by a dry run: the same calls on a
/// measuring arena, whose addresses must not be touched. Going past the planned size is a bug in
/// the plan, not a reason to grow.
class Arena {
 public:
  /// Measures only: what would lie on the host, or on `device`.
  Arena() = default;
  static Arena measuring_for(Device* device) {
    Arena made;
    made.device_ = device;
    return made;
  }
  explicit Arena(size_t bytes, Device* device = nullptr, Place place = Place::kDevice)
      : buffer_(bytes, device, place), device_(device) {}

  bool measuring() const { return buffer_.data() == nullptr; }
  /// Where its views lie; null: the host's memory.
  Device* device() const { return device_; }
  /// rows x cols values, 64-byte aligned rows are not promised, the start is. The content is
  /// undefined.
  View push(int64_t rows, int64_t cols, Dtype dtype);
  size_t mark() const { return top_; }
  void release(size_t mark);
  /// The most bytes ever in use at once.
  size_t high_water() const { return high_; }

 private:
  Buffer buffer_;
  Device* device_ = nullptr;
  size_t top_ = 0, high_ = 0;
};

/// Releases what was pushed since it was made.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;
  ~ArenaScope() { arena_.release(mark_); }

 private:
  Arena& arena_;
  size_t mark_;
};

}  // namespace falconer
