// What ranks have sent one another, summed in the order of the ranks: the bytes of a sum on the CPU.
#include "ops/cuda/gpu.h"
#include "ops/cuda/rank_sum.h"

namespace falconer::FALCONER_GPU {
namespace {

struct RankSumEach {
  RankSum sum;
  template <int N>
  __device__ void run(int64_t, int64_t i) const {
    float total[N], part[N];
    load<N>(part_of(0) + i, total);
    for (int r = 1; r < sum.ranks; ++r) {
      load<N>(part_of(r) + i, part);
      for (int k = 0; k < N; ++k) total[k] += part[k];
    }
    load<N>(sum.home + i, part);
    for (int k = 0; k < N; ++k) part[k] += total[k];
    store<N>(sum.home + i, part);
  }
  __device__ const float* part_of(int r) const {
    return r == sum.self ? sum.own : sum.parts + r * sum.stride;
  }
};

}  // namespace

void add_rank_sum(Device* device, const RankSum& sum) {
  const auto row = [&](const float* data) {
    return View{const_cast<float*>(data), 1, sum.n, sum.n, Dtype::kF32, device};
  };
  const bool packed =
      sum.stride % kPack == 0 && packs(sum.n, {row(sum.own), row(sum.parts), row(sum.home)});
  each(device, 1, sum.n, packed, RankSumEach{sum});
}

}  // namespace falconer::FALCONER_GPU
