#include "api/finetune/rank_run.h"

#include <gtest/gtest.h>

#include "ranks/thread_transport.h"
#include "support/errors.h"

namespace falconer::test {
namespace {

RankPlace place_of(int local_rank, int local_size) {
  return {.rank = 10 + local_rank,
          .size = 20,
          .local_rank = local_rank,
          .local_size = local_size,
          .host = "node2"};
}

TEST(DeviceOfRank, IsTheGpuOfItsNumberOnItsMachine) {
  EXPECT_EQ(device_of_rank(place_of(0, 4), "cuda", 4), "cuda:0");
  EXPECT_EQ(device_of_rank(place_of(3, 4), "cuda", 8), "cuda:3");
  EXPECT_EQ(device_of_rank(place_of(3, 4), "cpu", 0), "cpu");
  // A batch system that shows each task its own GPU alone.
  EXPECT_EQ(device_of_rank(place_of(3, 4), "cuda", 1), "cuda:0");
  // open_device() says why there is none.
  EXPECT_EQ(device_of_rank(place_of(3, 4), "cuda", 0), "cuda");
}

TEST(DeviceOfRank, ByNumberIsForOneRankOnAMachine) {
  EXPECT_EQ(device_of_rank(place_of(0, 1), "cuda:2", 4), "cuda:2");
  expect_mentions(message_of([] { device_of_rank(place_of(1, 4), "cuda:2", 4); }),
                  {"--device cuda:2", "4 ranks on node2", "--device cuda", "CUDA_VISIBLE_DEVICES"});
}

TEST(DeviceOfRank, MoreRanksThanGpusAreRefused) {
  expect_mentions(message_of([] { device_of_rank(place_of(2, 4), "cuda", 2); }),
                  {"rank 12", "number 2", "node2", "2 GPUs", "--device cpu"});
}

TEST(DeviceOfRank, RanksAgreeOnIt) {
  EXPECT_EQ(device_of_rank(nullptr, "auto"), "auto");
  on_ranks(2, [](Ranks& ranks) {
    EXPECT_EQ(device_of_rank(&ranks, "cpu"), "cpu");
    expect_mentions(message_of([&] { device_of_rank(&ranks, ranks.first() ? "cpu" : "cuda"); }),
                    {"rank 1 has another device than rank 0: cuda and cpu"});
  });
}

}  // namespace
}  // namespace falconer::test
