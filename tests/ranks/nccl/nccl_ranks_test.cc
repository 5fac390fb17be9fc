// Tensors of ranks on devices: the calls to NCCL as they come, what they move on emulated devices, and what follows
// where a rank does not come.
#include "ranks/nccl/nccl_ranks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "base/system.h"
#include "ranks/nccl/nccl_api.h"
#include "ranks/thread_transport.h"
#include "support/emulated_gpu.h"
#include "support/emulated_nccl.h"
#include "support/errors.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

using GpuWork = std::function<void(Ranks&, Device&, NcclRanks&)>;

/// Each rank with an emulated device. `hasty`: EmulatedShape::hasty_queue.
void on_gpus(int count, bool hasty, const GpuWork& work, double timeout = 60) {
  on_ranks(count, [&](Ranks& ranks) {
    const auto device = emulated::open_emulated({.hasty_queue = hasty});
    NcclRanks tensors(ranks, *device, timeout);
    work(ranks, *device, tensors);
  });
}

// Numbers whose sum depends on its order.
std::vector<float> gpu_values(int rank, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    values[static_cast<size_t>(i)] = std::sin(static_cast<float>(i * 7 + rank * 131 + 1)) *
                                     std::pow(10.0f, static_cast<float>((i + rank) % 9 - 4));
  return values;
}

/// Floats on a device.
class GpuFloats {
 public:
  GpuFloats(Device& device, const std::vector<float>& values)
      : device_(device), memory_(values.size() * sizeof(float), &device), size_(values.size()) {
    device.copy_in(data(), values.data(), size_ * sizeof(float));
  }
  float* data() const { return reinterpret_cast<float*>(memory_.data()); }
  std::vector<float> read() const {
    std::vector<float> values(size_);
    device_.copy_out(values.data(), data(), size_ * sizeof(float));
    return values;
  }

 private:
  Device& device_;
  Buffer memory_;
  size_t size_;
};

bool same_floats(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

class NcclRanksOf : public ::testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  EmulatedNccl nccl_;
  const int count_ = std::get<0>(GetParam());
  const bool hasty_ = std::get<1>(GetParam());
};

// Fewer elements than ranks, pieces that differ, and those that do not begin on 16 bytes.
constexpr int64_t kGpuSizes[] = {1, 255, 256, 257, 1000, 70'003};

TEST_P(NcclRanksOf, GatherGivesAllPieces) {
  on_gpus(count_, hasty_, [](Ranks& ranks, Device& device, NcclRanks& tensors) {
    for (const int64_t n : kGpuSizes) {
      const Pieces pieces{.n = n, .ranks = ranks.size()};
      const std::vector<float> all = gpu_values(0, n);
      std::vector<float> mine(all.size(), -1);
      for (int64_t i = pieces.begin(ranks.rank()); i < pieces.begin(ranks.rank() + 1); ++i)
        mine[static_cast<size_t>(i)] = all[static_cast<size_t>(i)];
      const GpuFloats whole(device, mine);
      tensors.wait(tensors.gather(whole.data(), pieces, sizeof(float)));
      EXPECT_TRUE(same_floats(whole.read(), all)) << n;
    }
  });
  EXPECT_EQ(nccl_.alive(), 0);
  EXPECT_EQ(nccl_.aborted(), 0);
}

TEST_P(NcclRanksOf, SumsHaveTheBytesOfTheCpus) {
  on_gpus(count_, hasty_, [](Ranks& ranks, Device& device, NcclRanks& tensors) {
    for (const int64_t n : kGpuSizes) {
      const Pieces pieces{.n = n, .ranks = ranks.size()};
      const std::vector<float> mine = gpu_values(ranks.rank(), n);
      std::vector<float> want(static_cast<size_t>(pieces.count(ranks.rank())), 0.25f);
      const GpuFloats whole(device, mine), home(device, want);
      const TensorRanks::Ticket ticket = tensors.reduce(whole.data(), pieces, home.data());
      ranks.wait(ranks.reduce(mine.data(), pieces, want.data()));
      tensors.wait(ticket);
      EXPECT_TRUE(same_floats(home.read(), want)) << n;
    }
  });
}

TEST_P(NcclRanksOf, CallsAndTheDevicesWorkAreDoneInTheirOrder) {
  on_gpus(count_, hasty_, [](Ranks& ranks, Device& device, NcclRanks& tensors) {
    const Pieces pieces{.n = 3000, .ranks = ranks.size()};
    const std::vector<float> zeros(3000), ones(3000, 1), twos(3000, 2);
    const GpuFloats whole(device, zeros), given(device, twos),
        home(device, std::vector<float>(static_cast<size_t>(pieces.count(ranks.rank()))));
    device.copy_in(given.data(), ones.data(), 3000 * sizeof(float));
    // What the first adds to the piece is what the second gathers, and that is what the third adds.
    tensors.reduce(given.data(), pieces, whole.data() + pieces.begin(ranks.rank()));
    const TensorRanks::Ticket gathered = tensors.gather(whole.data(), pieces, sizeof(float));
    const TensorRanks::Ticket last = tensors.reduce(whole.data(), pieces, home.data());
    tensors.wait(gathered);
    const auto all = static_cast<float>(ranks.size());
    EXPECT_EQ(whole.read(), std::vector<float>(3000, all));
    tensors.wait(last);
    device.set_zero(whole.data(), 3000 * sizeof(float));  // behind the sum that reads it
    EXPECT_EQ(home.read(),
              std::vector<float>(static_cast<size_t>(pieces.count(ranks.rank())), all * all));
    EXPECT_EQ(whole.read(), zeros);
  });
}

// It queues what it has to, and goes on: rank 0 meets the others before they have sent anything.
TEST(NcclRanks, TheHostWaitsForNobody) {
  const EmulatedNccl nccl;
  on_gpus(2, false, [](Ranks& ranks, Device& device, NcclRanks& tensors) {
    const Pieces pieces{.n = 3000, .ranks = 2};
    const GpuFloats whole(device, std::vector<float>(3000, 1)),
        home(device, std::vector<float>(static_cast<size_t>(pieces.count(ranks.rank()))));
    if (!ranks.first()) ranks.barrier();
    tensors.wait(tensors.reduce(whole.data(), pieces, home.data()));
    tensors.wait(tensors.gather(whole.data(), pieces, sizeof(float)));
    if (ranks.first()) ranks.barrier();
    EXPECT_EQ(home.read().front(), 2);
  });
}

INSTANTIATE_TEST_SUITE_P(Counts, NcclRanksOf,
                         ::testing::Combine(::testing::Values(1, 2, 3, 5), ::testing::Bool()),
                         [](const auto& tested) {
                           return std::to_string(std::get<0>(tested.param)) +
                                  (std::get<1>(tested.param) ? "_hasty" : "_late");
                         });

// More than the room holds at one time.
TEST(NcclRanks, LongSumsGoInChunks) {
  const EmulatedNccl nccl;
  constexpr int64_t kLong = (int64_t{1} << 23) + 70'000;
  on_gpus(2, false, [](Ranks& ranks, Device& device, NcclRanks& tensors) {
    const Pieces pieces{.n = kLong, .ranks = 2};
    const auto own = static_cast<size_t>(pieces.count(ranks.rank()));
    const GpuFloats whole(device, std::vector<float>(static_cast<size_t>(kLong),
                                                     1.0f + static_cast<float>(ranks.rank()))),
        home(device, std::vector<float>(own, 0.5f));
    tensors.wait(tensors.reduce(whole.data(), pieces, home.data()));
    EXPECT_TRUE(same_floats(home.read(), std::vector<float>(own, 3.5f)));
  });
  EXPECT_EQ(nccl.groups(0).size(), 2u);
}

/// "send 1 at 0: 256, receive 2 at 1024: 12", of a gather into `whole`.
std::string text_of_group(const NcclGroup& group, const std::byte* whole) {
  std::string text;
  for (const NcclCall& call : group)
    text +=
        fmt::format("{}{} {} at {}: {}", text.empty() ? "" : ", ", call.sends ? "send" : "receive",
                    call.peer, static_cast<const std::byte*>(call.memory) - whole, call.bytes);
  return text;
}

// Pieces of 0, 256 and 257 elements: nobody sends or receives nothing.
TEST(NcclRanks, AGatherIsOneGroupOfSendsAndReceives) {
  const EmulatedNccl nccl;
  std::vector<std::byte*> wholes(3);
  on_gpus(3, false, [&](Ranks& ranks, Device& device, NcclRanks& tensors) {
    const GpuFloats whole(device, std::vector<float>(513));
    wholes[static_cast<size_t>(ranks.rank())] = reinterpret_cast<std::byte*>(whole.data());
    tensors.wait(tensors.gather(whole.data(), {.n = 513, .ranks = 3}, sizeof(float)));
    tensors.wait(tensors.gather(whole.data(), {.n = 256, .ranks = 3}, sizeof(float)));
    device.synchronize();
  });
  const auto text = [&](int rank, size_t group) {
    return text_of_group(nccl.groups(rank).at(group), wholes[static_cast<size_t>(rank)]);
  };
  EXPECT_EQ(text(0, 0),
            "send 1 at 0: 1024, receive 2 at 2048: 4, send 2 at 0: 1024, receive 1 at 1024: 1024");
  EXPECT_EQ(
      text(1, 0),
      "send 2 at 1024: 1024, receive 0 at 0: 1024, send 0 at 1024: 1024, receive 2 at 2048: 4");
  EXPECT_EQ(text(2, 0),
            "send 0 at 2048: 4, receive 1 at 1024: 1024, send 1 at 2048: 4, receive 0 at 0: 1024");
  // One block, which the last rank has.
  EXPECT_EQ(text(0, 1), "receive 2 at 0: 1024");
  EXPECT_EQ(text(2, 1), "send 0 at 0: 1024, send 1 at 0: 1024");
}

TEST(NcclRanks, SizesAreBeyondWhatAnIntCounts) {
  EmulatedNccl nccl;
  nccl.move_nothing();
  constexpr int64_t kElements = int64_t{3} << 31;
  on_gpus(2, false, [](Ranks&, Device& device, NcclRanks& tensors) {
    std::byte* const somewhere = device.allocate(1);
    tensors.gather(somewhere, {.n = kElements, .ranks = 2}, sizeof(float));
    device.release(somewhere);
  });
  for (int rank = 0; rank < 2; ++rank) {
    const NcclGroup group = nccl.groups(rank).at(0);
    EXPECT_EQ(group.size(), 2u);
    for (const NcclCall& call : group) EXPECT_EQ(call.bytes, static_cast<size_t>(kElements) * 2);
  }
}

// ---- what goes wrong

TEST(NcclRanks, ACallThatFailsSaysWhatNcclSays) {
  EmulatedNccl nccl;
  on_gpus(1, false, [&](Ranks& ranks, Device& device, NcclRanks&) {
    nccl.fail(0, "ncclGetUniqueId", 5);
    expect_mentions(message_of([&] { NcclRanks(ranks, device, 1); }),
                    {"ncclGetUniqueId", "invalid usage"});
    nccl.fail(0, "ncclCommInitRankConfig", 5);
    expect_mentions(
        message_of([&] { NcclRanks(ranks, device, 1); }),
        {"rank 0", "ncclCommInitRankConfig", "Duplicate GPU", "a GPU of its own", "NCCL_DEBUG"});
  });
  EXPECT_EQ(nccl.alive(), 0);
  for (const char* function : {"ncclSend", "ncclRecv", "ncclGroupEnd"}) {
    on_gpus(2, false, [&](Ranks& ranks, Device& device, NcclRanks& tensors) {
      nccl.fail(ranks.rank(), function, 4);
      const GpuFloats whole(device, std::vector<float>(3000));
      const auto gather = [&] { tensors.gather(whole.data(), {.n = 3000, .ranks = 2}, 4); };
      expect_mentions(message_of(gather), {function, "invalid argument"});
      // All that comes after it fails so too.
      expect_mentions(message_of(gather), {function});
      expect_mentions(message_of([&] { tensors.wait(0); }), {function});
      ranks.barrier();
    });
    EXPECT_EQ(nccl.alive(), 0) << function;
  }
}

TEST(NcclRanks, ARankThatDoesNotComeIsNotWaitedForForEver) {
  EmulatedNccl nccl;
  on_gpus(
      2, false,
      [](Ranks& ranks, Device& device, NcclRanks& tensors) {
        const GpuFloats whole(device, std::vector<float>(3000, 1));
        if (ranks.rank() == 0) {
          tensors.wait(tensors.gather(whole.data(), {.n = 3000, .ranks = 2}, 4));
          device.synchronize();  // which nothing ends but the abort
          expect_mentions(message_of([&] { tensors.wait(0); }),
                          {"nothing came over NCCL for 0.4 s", "--rank-timeout"});
        }
        ranks.barrier();
      },
      0.4);
  EXPECT_EQ(nccl.alive(), 0);
}

TEST(NcclRanks, WhatNcclReportsLaterIsThrown) {
  EmulatedNccl nccl;
  on_gpus(2, false, [&](Ranks& ranks, Device& device, NcclRanks& tensors) {
    const GpuFloats whole(device, std::vector<float>(3000, 1));
    tensors.wait(tensors.gather(whole.data(), {.n = 3000, .ranks = 2}, 4));
    device.synchronize();
    ranks.barrier();
    nccl.report(ranks.rank(), 6);
    const double begin = now_seconds();
    std::string said;
    while (said.empty() && now_seconds() < begin + 20) try {
        tensors.wait(0);
      } catch (const Error& error) {
        said = error.what();
      }
    expect_mentions(said, {"remote process exited"});
    ranks.barrier();
  });
  EXPECT_EQ(nccl.alive(), 0);
  EXPECT_EQ(nccl.aborted(), 2);
}

TEST(NcclRanks, AnErrorOnItsWayOutWaitsForNobody) {
  EmulatedNccl nccl;
  on_ranks(2, [](Ranks& ranks) {
    const auto device = emulated::open_emulated();
    expect_mentions(message_of([&] {
                      const NcclRanks tensors(ranks, *device, 60);
                      fail("something else");
                    }),
                    {"something else"});
  });
  EXPECT_EQ(nccl.alive(), 0);
  EXPECT_EQ(nccl.aborted(), 2);
}

}  // namespace
}  // namespace falconer::test
