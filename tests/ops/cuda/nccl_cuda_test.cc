// A real GPU and NCCL's own library: what one rank alone can show. With another rank on the same GPU it would be
// refused.
#include <gtest/gtest.h>

#include <vector>

#include "ranks/nccl/nccl_api.h"
#include "ranks/nccl/nccl_ranks.h"
#include "ranks/thread_transport.h"
#include "support/devices.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

TEST(NcclOnCuda, ARankAloneJoinsSumsAndLeaves) {
  const TestDevice* const cuda = cuda_device();
  if (cuda == nullptr) GTEST_SKIP() << "no device of this kind is here";
  try {
    nccl();
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  on_ranks(1, [&](Ranks& ranks) {
    NcclRanks tensors(ranks, *cuda->device, 60);
    const std::vector<float> ones(70'003, 1);
    const size_t bytes = ones.size() * sizeof(float);
    const Buffer whole(bytes, cuda->device), home(bytes, cuda->device);
    cuda->device->copy_in(whole.data(), ones.data(), bytes);
    const Pieces pieces{.n = std::ssize(ones), .ranks = 1};
    auto* const from = reinterpret_cast<float*>(whole.data());
    auto* const to = reinterpret_cast<float*>(home.data());
    tensors.reduce(from, pieces, to);
    tensors.wait(tensors.reduce(from, pieces, to));
    tensors.wait(tensors.gather(to, pieces, sizeof(float)));
    std::vector<float> sums(ones.size());
    cuda->device->copy_out(sums.data(), to, bytes);
    EXPECT_EQ(sums, std::vector<float>(ones.size(), 2));
  });
}

}  // namespace
}  // namespace falconer::test
