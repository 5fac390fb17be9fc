// Tensors of ranks that lie on GPUs, one GPU a rank: NCCL carries their bytes, in a queue beside the one that
// computes.
#pragma once

#include <memory>

#include "ranks/ranks.h"
#include "tensor/device.h"

namespace falconer {

/// Calls return when they are queued on the device; wait() makes the work that is queued next wait for them. Bytes
/// are sent and received, each rank's to each, and summed by a kernel of our own: NCCL's reductions choose an order
/// of their own. A thread looks after what was queued: where nothing moves for `timeout` seconds, or NCCL reports a
/// failure, the communicator is aborted, so that the device goes on to whoever waits for it, and wait() throws.
class NcclRanks : public TensorRanks {
 public:
  /// Every rank makes one at the same time; `ranks` carries what NCCL needs to find the others. `device` outlives it.
  /// Errors: no NCCL; another rank did not come; NCCL's own, as where two ranks are on one GPU.
  NcclRanks(Ranks& ranks, Device& device, double timeout);
  NcclRanks(const NcclRanks&) = delete;
  NcclRanks& operator=(const NcclRanks&) = delete;
  /// When all that was queued is done, by every rank; while an exception leaves, or after a failure, at once.
  ~NcclRanks() override;

  Ticket gather(void* whole, const Pieces& pieces, size_t element) override;
  Ticket reduce(const float* whole, const Pieces& pieces, float* home) override;
  void wait(Ticket ticket) override;

  /// Memory of the device that sums of so many ranks take beside the caller's.
  static size_t room_bytes(int ranks);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace falconer
