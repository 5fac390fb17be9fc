// A second queue of a device: what moves between ranks while the device computes.
#pragma once

#include <cstdint>

namespace falconer {

/// home[i] += the sum of [i] of all ranks' parts, which is formed from rank 0 on, in f32. Rank r's part is at
/// parts + r * stride, but for `self`'s, which is at `own`.
struct RankSum {
  const float* own = nullptr;
  const float* parts = nullptr;
  int64_t stride = 0;
  int self = 0, ranks = 1;
  int64_t n = 0;
  float* home = nullptr;
};

/// Work is done in order, beside the device's own queue except where one of the two follows the other. All calls
/// come from the thread that uses the device, but for reached().
class DeviceQueue {
 public:
  virtual ~DeviceQueue() = default;
  /// The device is the one that a library's calls are for, from here on.
  virtual void make_current() = 0;
  /// What a library queues its work by: CUDA's stream.
  virtual void* stream() = 0;
  /// What is queued here next begins when all is done that the device was given so far.
  virtual void follow_device() = 0;
  virtual void add_sum(const RankSum& sum) = 0;
  /// Names all that was queued here so far: 1, 2, 3 ...
  virtual uint64_t mark() = 0;
  /// What the device is given next begins when all before the mark is done.
  virtual void device_follows(uint64_t mark) = 0;
  /// Whether all before the mark is done, from any thread. Error: some of it failed.
  virtual bool reached(uint64_t mark) = 0;
};

}  // namespace falconer
