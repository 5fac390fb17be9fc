// Cross entropy and its gradient: a block for each row of logits, which is read twice.
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kThreads = 512;

template <class D>
__global__ void cross_entropy_kernel(Mat<const float> logits, const int32_t* targets,
                                     Mat<float> losses, Mat<D> dlogits, float scale) {
  float* room = reinterpret_cast<float*>(shared_memory());
  const int64_t n = blockIdx.x;
  const float* row = logits.row(n);
  const int64_t target = targets[n];
  const float own = row[target];
  // The largest so far, and the sum relative to it.
  float most = -INFINITY, sum = 0;
  for (int64_t v = threadIdx.x; v < logits.cols; v += blockDim.x) {
    const float x = row[v];
    if (x > most) {
      sum *= expf(most - x);
      most = x;
    }
    // x - x is 0, or NaN where x is not finite: then so is the loss.
    sum += expf(x - most) + (x - x);
  }
  const float all = block_max(most, room);
  const float part = sum * expf(most - all);  // 0 of a thread that had no column
  const float total = block_sum(part, room);
  if (threadIdx.x == 0) losses(n, 0) = logf(total) + all - own;
  if (!dlogits) return;
  const float factor = scale / total;
  for (int64_t v = threadIdx.x; v < logits.cols; v += blockDim.x) {
    const float p = expf(row[v] - all) * factor;
    dlogits(n, v) = D(v == target ? p - scale : p);
  }
}

}  // namespace

void cross_entropy(const CrossEntropy& a) {
  const int32_t* targets = staged_indices(a.logits.device, a.targets);
  with_type(a.dlogits ? a.dlogits.dtype : Dtype::kF32, [&]<class D>(Type<D>) {
    launch(a.logits.device, cross_entropy_kernel<D>,
           {.x = a.logits.rows, .threads = kThreads, .shared = kThreads / kWarp * sizeof(float)},
           on_gpu<const float>(a.logits), targets, on_gpu<float>(a.losses), on_gpu<D>(a.dlogits),
           a.scale);
  });
}

}  // namespace falconer::FALCONER_GPU
