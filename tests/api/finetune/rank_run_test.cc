#include "api/finetune/rank_run.h"

#include <gtest/gtest.h>

#include "falconer/finetune.h"
#include "falconer/use.h"
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

TEST(RefuseOtherSettings, NamesTheSettingAndTheRank) {
  const auto said_on_ranks = [](const auto& change) {
    std::string of_first;
    on_ranks(3, [&](Ranks& ranks) {
      FinetuneOptions options;
      if (ranks.rank() == 2) change(options);
      const std::string said =
          message_of([&] { refuse_other_settings(&ranks, settings_of(options)); });
      if (ranks.first()) of_first = said;
    });
    return of_first;
  };
  expect_mentions(said_on_ranks([](FinetuneOptions& o) { o.lr = 0.5; }),
                  {"rank 2 has another --lr than rank 0: 0.5 and none"});
  expect_mentions(said_on_ranks([](FinetuneOptions& o) { o.method = "full"; }),
                  {"rank 2 has another --method than rank 0: full and "});
  expect_mentions(said_on_ranks([](FinetuneOptions& o) {
                    o.lora_targets = {"q\nv", "k"};
                  }),
                  {"rank 2 has another --lora-targets"});
  on_ranks(2, [](Ranks& ranks) {
    FinetuneOptions finetune;
    if (ranks.first()) finetune.checkpoint = "/of/this/machine";
    EXPECT_NO_THROW(refuse_other_settings(&ranks, settings_of(finetune)));
    SamplingSettings generate;
    expect_mentions(message_of([&] {
                      refuse_other_settings(
                          &ranks, ranks.first() ? settings_of(finetune) : settings_of(generate));
                    }),
                    {"rank 1 works on another command than rank 0"});
  });
  FinetuneOptions alone;
  EXPECT_NO_THROW(refuse_other_settings(nullptr, settings_of(alone)));
}

TEST(RefuseOtherTensors, ThoseOfOneNameAndAnotherShapeAreOthers) {
  on_ranks(2, [](Ranks& ranks) {
    Weights weights;
    weights.params.push_back(std::make_unique<Param>());
    weights.params[0]->name = "head";
    weights.params[0]->shape = {2, 6};
    EXPECT_NO_THROW(refuse_other_tensors(&ranks, weights));
    if (!ranks.first()) weights.params[0]->shape = {3, 4};
    expect_mentions(message_of([&] { refuse_other_tensors(&ranks, weights); }),
                    {"rank 1 has another model than rank 0: 12 numbers in 1 tensors"});
  });
}

}  // namespace
}  // namespace falconer::test
