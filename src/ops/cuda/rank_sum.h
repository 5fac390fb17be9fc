// Sums over ranks, whose parts were sent to this device.
#pragma once

#include "ops/cuda/name.h"
#include "tensor/device.h"
#include "tensor/device_queue.h"

namespace falconer::FALCONER_GPU {

/// Queues DeviceQueue::add_sum() where the device's kernels are queued now.
void add_rank_sum(Device* device, const RankSum& sum);

}  // namespace falconer::FALCONER_GPU
