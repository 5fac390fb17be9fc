// What stands for NCCL on emulated devices, whose ranks are threads of the test. It moves what is sent in the
// device's queue, when its turn comes there, and notes what was called.
#pragma once

#include <cstddef>
#include <vector>

namespace falconer::test {

/// A send or a receive, as it stood in a group.
struct NcclCall {
  bool sends = false;
  int peer = 0;
  size_t bytes = 0;
  const void* memory = nullptr;
};
using NcclGroup = std::vector<NcclCall>;

/// While it lives, nccl() is this one.
class EmulatedNccl {
 public:
  EmulatedNccl();
  EmulatedNccl(const EmulatedNccl&) = delete;
  EmulatedNccl& operator=(const EmulatedNccl&) = delete;
  ~EmulatedNccl();

  /// The groups of a rank, in the order of its calls.
  std::vector<NcclGroup> groups(int rank) const;
  /// Communicators that are not destroyed or aborted; and how many were aborted.
  int alive() const;
  int aborted() const;

  /// Groups are noted, and nothing is moved.
  void move_nothing();
  /// The next call of a function ("ncclSend") by the rank gives this result.
  void fail(int rank, const char* function, int result);
  /// From now on ncclCommGetAsyncError gives this result to the rank.
  void report(int rank, int result);
};

}  // namespace falconer::test
